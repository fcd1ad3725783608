"""Searches for the best residual network within bounds, by KerasTuner's oracles on this project's runs."""
