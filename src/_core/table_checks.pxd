# Checks of all tables but the cells, before any kernel runs.
cdef object check_bounds(dict a)
