# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The C forward pass under Python: fills the C structures once and enters C once a step, without the GIL.

Knows array addresses; every check of dtype, shape and range is in `cython_kernels/__init__.py`, the only caller.
"""

from libc.stdint cimport int8_t, int32_t, uint8_t, uint16_t
from libc.stdlib cimport calloc, free


cdef extern from "kernels.h" nogil:
    ctypedef struct tern_kernels:
        const char *name
    const tern_kernels *const *tern_available_kernels()
    const tern_kernels *tern_find_kernels(const char *name)

    ctypedef enum tern_kv_type:
        TERN_KV_F32
        TERN_KV_F16
        TERN_KV_I8

    ctypedef struct tern_kv:
        tern_kv_type type
        void *keys
        void *values
        float *key_scales
        float *value_scales


cdef extern from "pack.h" nogil:
    int tern_pack(uint8_t *lines, size_t n_lines, const uint8_t *source, size_t source_rows, size_t rows,
                  size_t first_block, size_t block_step)


cdef extern from "head.h" nogil:
    ctypedef struct tern_screen:
        const uint8_t *lines
        const float *scale
        const float *residual
        const float *norm

    ctypedef struct tern_bounds:
        float *lower
        float *upper
        float *tile_lower
        float *tile_upper

    void tern_screen_rows(const tern_kernels *kernels, const uint16_t *rows, int n_rows, int first, int hidden,
                          uint8_t *lines, float *scale, float *residual, float *norm)


cdef extern from "forward.h" nogil:
    ctypedef enum tern_activation:
        TERN_RELU2
        TERN_SILU
        TERN_GELU

    ctypedef struct tern_matrix:
        const uint8_t *lines
        const float *block_scales
        int n_blocks
        int n_lines
        const float *group_scales
        int group_lines

    ctypedef struct tern_layer:
        tern_matrix qkv
        tern_matrix o
        tern_matrix gate_up
        tern_matrix down
        const float *input_norm
        const float *post_norm
        const float *attn_sub_norm
        const float *ffn_sub_norm

    ctypedef struct tern_shape:
        int hidden
        int intermediate
        int n_layers
        int n_heads
        int n_kv_heads
        int head_dim
        int vocab
        int max_context
        float rms_eps
        tern_activation activation
        const uint16_t *embedding
        const uint16_t *head
        tern_screen screen
        const float *final_norm
        const float *rope_cos
        const float *rope_sin
        tern_layer *layers
        tern_kv cache

    ctypedef struct tern_output:
        int n
        float *logits
        float *hidden
        tern_bounds bounds

    ctypedef struct tern_step:
        pass

    tern_step *tern_step_create(const tern_shape *shape, const tern_kernels *kernels, int n_threads)
    void tern_step_destroy(tern_step *step)
    int tern_step_forward(tern_step *step, const int32_t *ids, const uint16_t *embedded, int n, int start,
                          const tern_output *output)
    void tern_step_head_rows(tern_step *step, const uint16_t *rows, int n_rows, const float *hidden, int n, float *out,
                             size_t stride)
    void tern_step_interrupt(tern_step *step, int on)
    void tern_ternary_sums(const tern_kernels *kernels, const uint8_t *lines, int n_blocks, int n_lines,
                           const int8_t *x, int n, int8_t *scratch, int32_t *sums)
    double tern_sequential_read(const uint8_t *bytes, size_t n, int n_threads, int rounds)


cdef extern from "grouped.h" nogil:
    void tern_ternary_values(const tern_kernels *k, const tern_matrix *m, const int8_t *x, const float *scales, int n,
                             int8_t *scratch, int32_t *group_sums, float *values)


cdef extern from "encoder.h" nogil:
    ctypedef struct tern_encoder_layer:
        tern_matrix q
        tern_matrix k
        tern_matrix v
        tern_matrix o
        tern_matrix gate
        tern_matrix up
        tern_matrix down
        const float *attn_norm
        const float *ffn_norm
        const float *q_in
        const float *k_in
        const float *v_in
        const float *o_in
        const float *gate_in
        const float *up_in
        const float *down_in
        const float *q_head
        const float *k_head
        const float *post_attn
        const float *post_ffn
        const float *rope_cos
        const float *rope_sin
        int window

    ctypedef struct tern_encoder_shape:
        int hidden
        int intermediate
        int n_layers
        int n_heads
        int n_kv_heads
        int head_dim
        int max_tokens
        float rms_eps
        float attention_scale
        tern_activation activation
        const float *final_norm
        tern_encoder_layer *layers

    ctypedef struct tern_encoder:
        pass

    tern_encoder *tern_encoder_create(const tern_encoder_shape *shape, const tern_kernels *kernels, int n_threads)
    void tern_encoder_destroy(tern_encoder *encoder)
    int tern_encoder_run(tern_encoder *encoder, float *x, int n)
    void tern_encoder_interrupt(tern_encoder *encoder, int on)


def kernel_sets():
    """Names of the kernel sets that this CPU can run, best first."""
    cdef const tern_kernels *const *available = tern_available_kernels()
    names = []
    cdef int i = 0
    while available[i] != NULL:
        names.append(available[i].name.decode("ascii"))
        i += 1
    return names


def pack(uint8_t[:, :, ::1] lines, const uint8_t[:, ::1] source, size_t rows, size_t first_block, size_t block_step):
    """Write codes into layout A1; False when a code is 3."""
    cdef int good
    cdef size_t n_lines = lines.shape[1], source_rows = source.shape[0]
    with nogil:
        good = tern_pack(&lines[0, 0, 0], n_lines, &source[0, 0], source_rows, rows, first_block, block_step)
    return good != 0


def ternary_sums(str kernels, const uint8_t[:, :, ::1] lines, const int8_t[:, ::1] x, int8_t[::1] scratch,
                 int32_t[:, ::1] sums):
    """One linear by itself, exact."""
    name = kernels.encode("ascii")
    cdef const tern_kernels *found = tern_find_kernels(name)
    if found == NULL:
        raise ValueError(kernels)
    cdef int n_blocks = <int>lines.shape[0], n_lines = <int>lines.shape[1], n = <int>x.shape[0]
    with nogil:
        tern_ternary_sums(found, &lines[0, 0, 0], n_blocks, n_lines, &x[0, 0], n, &scratch[0], &sums[0, 0])


def ternary_values(str kernels, matrix, const int8_t[:, ::1] x, const float[::1] scales, int8_t[::1] scratch,
                   int32_t[::1] group_sums, float[:, ::1] values):
    """One linear by itself, as floats."""
    name = kernels.encode("ascii")
    cdef const tern_kernels *found = tern_find_kernels(name)
    if found == NULL:
        raise ValueError(kernels)
    cdef tern_matrix m
    _matrix(&m, matrix)
    cdef int n = <int>x.shape[0]
    with nogil:
        tern_ternary_values(found, &m, &x[0, 0], &scales[0], n, &scratch[0], &group_sums[0], &values[0, 0])


def screen_rows(str kernels, const uint16_t[:, ::1] rows, int first, head):
    """Quantise rows of a head into its lines; see screen_rows of the facade."""
    name = kernels.encode("ascii")
    cdef const tern_kernels *found = tern_find_kernels(name)
    if found == NULL:
        raise ValueError(kernels)
    cdef uint8_t[:, :, ::1] lines = head.lines
    cdef float[::1] scales = head.scales
    cdef float[::1] residuals = head.residuals
    cdef float[::1] norms = head.norms
    cdef int n_rows = <int>rows.shape[0], hidden = <int>rows.shape[1]
    with nogil:
        tern_screen_rows(found, &rows[0, 0], n_rows, first, hidden, &lines[0, 0, 0], &scales[0], &residuals[0],
                         &norms[0])


def sequential_read(const uint8_t[::1] data, int n_threads, int rounds):
    """1e9 bytes a second of a plain read; the number of bytes is a multiple of 64."""
    cdef double seconds
    cdef size_t n = data.shape[0]
    with nogil:
        seconds = tern_sequential_read(&data[0], n, n_threads, rounds)
    if seconds <= 0:
        raise MemoryError("threads for the measurement")
    return n / seconds / 1e9


cdef const float *_floats(array) except? NULL:
    cdef const float[::1] flat
    if array is None:
        return NULL
    flat = array.reshape(-1)
    return &flat[0]


cdef const uint16_t *_halves(array) except? NULL:
    cdef const uint16_t[::1] flat
    if array is None:
        return NULL
    flat = array.reshape(-1)
    return &flat[0]


cdef int _screen(tern_screen *to, head) except -1:
    cdef const uint8_t[:, :, ::1] lines
    to.lines = NULL
    if head is None:
        return 0
    lines = head.lines
    to.lines = &lines[0, 0, 0]
    to.scale = _floats(head.scales)
    to.residual = _floats(head.residuals)
    to.norm = _floats(head.norms)
    return 0


cdef int _matrix(tern_matrix *to, source) except -1:
    cdef const uint8_t[:, :, ::1] lines = source.lines
    to.lines = &lines[0, 0, 0]
    to.n_blocks = <int>lines.shape[0]
    to.n_lines = <int>lines.shape[1]
    to.block_scales = _floats(source.block_scales)
    to.group_scales = _floats(source.group_scales)
    to.group_lines = 0 if source.group_scales is None else <int>(source.group_cols // 4)
    return 0


cdef int _layer(tern_layer *to, source) except -1:
    _matrix(&to.qkv, source.qkv)
    _matrix(&to.o, source.o)
    _matrix(&to.gate_up, source.gate_up)
    _matrix(&to.down, source.down)
    to.input_norm = _floats(source.input_norm)
    to.post_norm = _floats(source.post_attention_norm)
    to.attn_sub_norm = _floats(source.attn_sub_norm)
    to.ffn_sub_norm = _floats(source.ffn_sub_norm)
    return 0


cdef int _cache(tern_kv *to, kv) except -1:
    to.type = {"f32": TERN_KV_F32, "f16": TERN_KV_F16, "int8": TERN_KV_I8}[kv.precision]
    to.keys = <void *><size_t>kv.keys.ctypes.data
    to.values = <void *><size_t>kv.values.ctypes.data
    to.key_scales = <float *>_floats(kv.key_scales)
    to.value_scales = <float *>_floats(kv.value_scales)
    return 0


cdef int _fill(tern_shape *c, shape, weights, kv) except -1:
    c.hidden = shape.hidden
    c.intermediate = shape.intermediate
    c.n_layers = shape.n_layers
    c.n_heads = shape.n_heads
    c.n_kv_heads = shape.n_kv_heads
    c.head_dim = shape.head_dim
    c.vocab = shape.vocab
    c.max_context = shape.max_context
    c.rms_eps = shape.rms_eps
    c.activation = TERN_RELU2 if shape.activation == "relu2" else TERN_SILU
    c.embedding = _halves(weights.embedding)
    c.head = _halves(weights.head)
    _screen(&c.screen, weights.screen)
    c.final_norm = _floats(weights.final_norm)
    c.rope_cos = _floats(weights.rope_cos)
    c.rope_sin = _floats(weights.rope_sin)
    _cache(&c.cache, kv)
    for i, layer in enumerate(weights.layers):
        _layer(&c.layers[<int>i], layer)
    return 0


cdef class Step:
    """One forward pass in C. Keeps the arrays alive whose addresses C holds."""

    cdef tern_step *_step
    cdef object _arrays
    cdef bint _is_running

    def __cinit__(self, shape, weights, kv, int n_threads, str kernels):
        cdef tern_shape c
        cdef const tern_kernels *found
        name = kernels.encode("ascii")
        found = tern_find_kernels(name)
        if found == NULL:
            raise ValueError(kernels)
        self._arrays = (weights, kv)
        c.layers = <tern_layer *>calloc(shape.n_layers, sizeof(tern_layer))
        if c.layers == NULL:
            raise MemoryError("layers")
        try:
            _fill(&c, shape, weights, kv)
            self._step = tern_step_create(&c, found, n_threads)
            if self._step == NULL:
                raise MemoryError("a forward pass")
        except BaseException:
            free(c.layers)
            raise

    def __dealloc__(self):
        tern_step_destroy(self._step)

    def forward(self, const int32_t[::1] ids, int start, logits, embedded, hidden, bounds):
        """Run one batch; see Transformer.forward."""
        cdef tern_output out
        cdef const uint16_t *rows = _halves(embedded)
        cdef int n = <int>ids.shape[0], finished
        cdef tern_step *step = self._step
        if step == NULL or self._is_running:
            raise ValueError("the forward pass is closed or already running")
        out.logits = <float *>_floats(logits)
        out.hidden = <float *>_floats(hidden)
        out.bounds.lower = NULL
        if bounds is not None:
            out.bounds.lower = <float *>_floats(bounds.lower)
            out.bounds.upper = <float *>_floats(bounds.upper)
            out.bounds.tile_lower = <float *>_floats(bounds.tile_lower)
            out.bounds.tile_upper = <float *>_floats(bounds.tile_upper)
        wanted = logits if logits is not None else hidden
        out.n = 0 if wanted is None else <int>wanted.shape[0]
        self._is_running = True
        with nogil:
            finished = tern_step_forward(step, &ids[0], rows, n, start, &out)
        self._is_running = False
        return finished != 0

    def head_rows(self, const uint16_t[:, ::1] rows, const float[:, ::1] hidden, float[:, ::1] out, int first):
        """Score rows of the head; see Transformer.score_rows."""
        cdef tern_step *step = self._step
        cdef int n_rows = <int>rows.shape[0], n = <int>hidden.shape[0]
        cdef size_t stride = out.shape[1]
        if step == NULL or self._is_running:
            raise ValueError("the forward pass is closed or already running")
        self._is_running = True
        with nogil:
            tern_step_head_rows(step, &rows[0, 0], n_rows, &hidden[0, 0], n, &out[0, first], stride)
        self._is_running = False

    def interrupt(self):
        """Make a running forward() return False at the next layer."""
        if self._step != NULL:
            tern_step_interrupt(self._step, 1)

    def clear_interrupt(self):
        """Forget an earlier interrupt()."""
        if self._step != NULL:
            tern_step_interrupt(self._step, 0)

    def close(self):
        """Free the C side and end its threads; not while forward() runs."""
        if self._is_running:
            raise ValueError("the forward pass is running")
        tern_step_destroy(self._step)
        self._step = NULL
        self._arrays = None


cdef int _encoder_layer(tern_encoder_layer *to, source) except -1:
    projections = (source.q, source.k, source.v, source.o, source.gate, source.up, source.down)
    cdef tern_matrix *matrices[7]
    matrices[:] = [&to.q, &to.k, &to.v, &to.o, &to.gate, &to.up, &to.down]
    cdef int i
    for i in range(7):
        _matrix(matrices[i], projections[i].weights)
    to.q_in, to.k_in = _floats(source.q.norm), _floats(source.k.norm)
    to.v_in, to.o_in = _floats(source.v.norm), _floats(source.o.norm)
    to.gate_in, to.up_in = _floats(source.gate.norm), _floats(source.up.norm)
    to.down_in = _floats(source.down.norm)
    to.attn_norm, to.ffn_norm = _floats(source.attn_norm), _floats(source.ffn_norm)
    to.q_head, to.k_head = _floats(source.q_head_norm), _floats(source.k_head_norm)
    to.post_attn, to.post_ffn = _floats(source.post_attn_norm), _floats(source.post_ffn_norm)
    to.rope_cos, to.rope_sin = _floats(source.rope_cos), _floats(source.rope_sin)
    to.window = source.window
    return 0


cdef int _fill_encoder(tern_encoder_shape *c, shape, weights) except -1:
    c.hidden = shape.hidden
    c.intermediate = shape.intermediate
    c.n_layers = shape.n_layers
    c.n_heads = shape.n_heads
    c.n_kv_heads = shape.n_kv_heads
    c.head_dim = shape.head_dim
    c.max_tokens = shape.max_tokens
    c.rms_eps = shape.rms_eps
    c.attention_scale = shape.attention_scale
    c.activation = TERN_GELU if shape.activation == "gelu" else TERN_SILU
    c.final_norm = _floats(weights.final_norm)
    for i, layer in enumerate(weights.layers):
        _encoder_layer(&c.layers[<int>i], layer)
    return 0


cdef class EncoderRun:
    """The encoder in C. Keeps the arrays alive whose addresses C holds."""

    cdef tern_encoder *_encoder
    cdef object _arrays
    cdef bint _is_running

    def __cinit__(self, shape, weights, int n_threads, str kernels):
        cdef tern_encoder_shape c
        cdef const tern_kernels *found
        name = kernels.encode("ascii")
        found = tern_find_kernels(name)
        if found == NULL:
            raise ValueError(kernels)
        self._arrays = weights
        c.layers = <tern_encoder_layer *>calloc(shape.n_layers, sizeof(tern_encoder_layer))
        if c.layers == NULL:
            raise MemoryError("layers")
        try:
            _fill_encoder(&c, shape, weights)
            self._encoder = tern_encoder_create(&c, found, n_threads)
            if self._encoder == NULL:
                raise MemoryError("an encoder")
        except BaseException:
            free(c.layers)
            raise

    def __dealloc__(self):
        tern_encoder_destroy(self._encoder)

    def run(self, float[:, ::1] states):
        """Run one sequence in place; see Encoder.run."""
        cdef int finished, n = <int>states.shape[0]
        cdef tern_encoder *encoder = self._encoder
        if encoder == NULL or self._is_running:
            raise ValueError("the encoder is closed or already running")
        self._is_running = True
        with nogil:
            finished = tern_encoder_run(encoder, &states[0, 0], n)
        self._is_running = False
        return finished != 0

    def interrupt(self):
        """Make a running run() return False soon."""
        if self._encoder != NULL:
            tern_encoder_interrupt(self._encoder, 1)

    def clear_interrupt(self):
        """Forget an earlier interrupt()."""
        if self._encoder != NULL:
            tern_encoder_interrupt(self._encoder, 0)

    def close(self):
        """Free the C side and end its threads; not while run() runs."""
        if self._is_running:
            raise ValueError("the encoder is running")
        tern_encoder_destroy(self._encoder)
        self._encoder = NULL
        self._arrays = None
