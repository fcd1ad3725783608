"""The program `resnet-probe`: probes of the networks of a study, of published networks, and of any Keras model."""
