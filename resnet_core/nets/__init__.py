"""A network is data: `NetSpec`, what it costs, and the `keras.Model` it describes."""
