import keras
import numpy as np

from resnet_core import build, cifar, probes

model = build(cifar(depth=14, width=4, input_shape=(8, 8, 1)))  # or any keras.Model of your own
random = np.random.default_rng(0)
images, labels = random.normal(size=(64, 8, 8, 1)).astype("float32"), random.integers(0, 10, 64)

rows = probes.lesion(model, images, labels)  # the error with each block's branch taken out
print(rows[["block", "value", "intact"]])
print(probes.similarity(model, images)[["layer", "other_layer", "value"]])  # CKA of all blocks
plain = probes.without_skip(model, "stage1_block1")  # a keras.Model that shares the weights

model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
gradients = probes.GradientsByDepth(every=1)
model.fit(images, labels, shuffle=False, verbose=0, callbacks=[gradients])
print(gradients.table().groupby("layer")["value"].mean())
