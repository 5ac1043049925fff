# Recording: append-only tables of doubles. The only code that appends.

@cython.final
cdef class Log:
    """A growing table of rows of `width` doubles."""
    cdef double *data
    cdef readonly Py_ssize_t n, width
    cdef Py_ssize_t capacity

    def __cinit__(self, Py_ssize_t width):
        self.width = width

    def __dealloc__(self):
        free(self.data)

    cdef int reserve(self, Py_ssize_t extra) noexcept nogil:
        """Make room for `extra` more rows; -1 if there is no memory (nothing is lost then)."""
        cdef Py_ssize_t capacity = max(self.capacity + self.capacity // 2, self.n + extra, 256)
        cdef double *data
        if self.n + extra <= self.capacity:
            return 0
        data = <double *> realloc(self.data, capacity * self.width * sizeof(double))
        if data == NULL:
            return -1
        self.data, self.capacity = data, capacity
        return 0

    cdef double *append(self) noexcept nogil:
        """The next row, to be filled in; the caller has reserved room."""
        self.n += 1
        return self.data + (self.n - 1) * self.width

    def rows(self, Py_ssize_t start=0):
        """Copy of the rows from `start` on, float64 (n - start, width)."""
        out = np.empty((max(self.n - start, 0), self.width))
        cdef double[:, ::1] view = out
        if view.shape[0]:
            memcpy(&view[0, 0], self.data + start * self.width, view.shape[0] * self.width * sizeof(double))
        return out

    def cut(self, Py_ssize_t n):
        """Keep the first n rows."""
        self.n = min(self.n, n)

    def extend(self, rows):
        """Append the rows of a table."""
        cdef const double[:, ::1] view = np.ascontiguousarray(rows, np.float64)
        if view.shape[1] != self.width:
            raise ValueError(f"Log: rows of width {view.shape[1]} do not fit a table of width {self.width}")
        if self.reserve(view.shape[0]):
            raise MemoryError(f"Log: no memory for {view.shape[0]} more rows")
        if view.shape[0]:
            memcpy(self.data + self.n * self.width, &view[0, 0], view.shape[0] * self.width * sizeof(double))
        self.n += view.shape[0]
