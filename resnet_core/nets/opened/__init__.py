"""Networks in open shapes: one trace for every depth and width of a kind.

`tape` writes a block down as calls of the interpreter's words; `form` rolls equal blocks up and says what kind a
network is of; `order` names its kernels. `words` computes the words, `forward` all of a kind over stacked weights,
`initial` draws these, `compiled` has the traced passes. The first three load no TensorFlow.
"""
