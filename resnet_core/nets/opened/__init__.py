"""Networks in open shapes: networks that differ in depth and width only share one trace.

`tape` records a block as calls of the interpreter's methods; `form` joins equal blocks into segments and gives the kind
of a network; `order` gives the order of its kernels, `layout` their place in matrices. `words` computes the methods on
tensors, `forward` the whole network over these matrices, `initial` gives the initial weights, `compiled` has the
passes. The first four load no TensorFlow.
"""
