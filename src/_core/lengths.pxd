# Lengths of arguments, checked before anything is read: one message for all of them.


cdef inline int need(str name, Py_ssize_t length, Py_ssize_t wanted) except -1:
    """Raise ``ValueError`` unless an argument has the length that is wanted."""
    if length != wanted:
        raise ValueError(f"{name}: length {length}, expected {wanted}")
    return 0


cdef inline int need_room(str name, Py_ssize_t length, Py_ssize_t least) except -1:
    """Raise ``ValueError`` if an argument is too short."""
    if length < least:
        raise ValueError(f"{name}: length {length}, expected at least {least}")
    return 0


cdef inline int need_rows(
    str name, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t wanted, Py_ssize_t width
) except -1:
    """Raise ``ValueError`` unless an argument has so many rows of so many columns."""
    if rows != wanted or columns != width:
        raise ValueError(f"{name}: shape ({rows}, {columns}), expected ({wanted}, {width})")
    return 0
