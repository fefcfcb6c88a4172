# Checks of rows, cells and decisions; only for arrays whose shapes ``table_checks`` has checked.
cdef object check_sides(dict a)
cdef object check_cells(dict a, object own_columns, object own_node)
cdef object check_no_cells(dict a)
