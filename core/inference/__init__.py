"""Token ids in, tokens out. Knows model files and numbers; knows neither the store nor the library."""
