"""The program `resnet-probe`: measures probes on networks of a study, published networks, and Keras models."""
