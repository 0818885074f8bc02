"""Every plot of the notebooks: one module a notebook, one function a plot, a table in and a matplotlib Figure out."""
