// What the kernels of arrays/gpu.py compute for one element, number i, of their outputs.
//
// Arrays are indexed in C order; comments give their axes. The size letters are those of
// tinynet/ops/conv/geometry.py. Sums are gathered: one thread adds up all contributions to its
// element, in a fixed order.

// ------------------------------------------------------------------- im2col and max-pooling

template <typename T> struct Geometry {
    long long H, W, KH, KW, OH, OW, sh, sw, dh, dw, top, left;

    // x (C, H, W, N) -> column (C, KH, KW, OH, OW, N)
    template <typename X>
    __device__ T im2col(X& x, long long N, long long i) const {
        long long rest = i / N;
        long long w = rest % OW * sw - left;  rest /= OW;
        long long h = rest % OH * sh - top;   rest /= OH;
        w += rest % KW * dw;                  rest /= KW;
        h += rest % KH * dh;                  rest /= KH;
        bool in_image = 0 <= h && h < H && 0 <= w && w < W;
        return in_image ? x[((rest * H + h) * W + w) * N + i % N] : T(0);
    }

    // The sum of value(kh, kw, oh, ow) over the windows (oh, ow) that see pixel (h, w) through a
    // tap (kh, kw). h and w count from the corner of the padded image.
    template <typename Value>
    __device__ T sum_over_windows(long long h, long long w, Value value) const {
        T sum = T(0);
        for (long long kh = 0; kh < KH; ++kh) {
            long long down = h - kh * dh, oh = down / sh;
            if (down < 0 || down % sh || oh >= OH) continue;
            for (long long kw = 0; kw < KW; ++kw) {
                long long right = w - kw * dw, ow = right / sw;
                if (right < 0 || right % sw || ow >= OW) continue;
                sum = sum + value(kh, kw, oh, ow);
            }
        }
        return sum;
    }

    // cols (C, KH, KW, OH, OW, N) -> pixel (C, H, W, N)
    template <typename Cols>
    __device__ T col2im(Cols& cols, long long N, long long i) const {
        long long rest = i / N;
        long long w = rest % W + left;  rest /= W;
        long long h = rest % H + top;   rest /= H;
        return sum_over_windows(h, w, [&](long long kh, long long kw, long long oh, long long ow) {
            long long column = ((rest * KH + kh) * KW + kw) * OH + oh;
            return cols[(column * OW + ow) * N + i % N];
        });
    }

    // Call look(pixel, tap) for each pixel of x (N, C, H, W) in window i, until it returns true.
    template <typename X, typename Look>
    __device__ void over_window(X& x, long long i, Look look) const {
        long long first_w = i % OW * sw - left, first_h = i / OW % OH * sh - top;
        long long image = i / OW / OH;
        for (long long kh = 0; kh < KH; ++kh) {
            for (long long kw = 0; kw < KW; ++kw) {
                long long h = first_h + kh * dh, w = first_w + kw * dw;
                if (h < 0 || h >= H || w < 0 || w >= W) continue;
                if (look(x[(image * H + h) * W + w], kh * KW + kw)) return;
            }
        }
    }

    // The maximum of window i of x; a nan stays, because nothing is greater.
    template <typename X>
    __device__ T max_pool(X& x, T lowest, long long i) const {
        T y = lowest;
        over_window(x, i, [&](T value, long long tap) {
            if (value > y || value != value) y = value;
            return false;
        });
        return y;
    }

    // The first tap whose pixel equals y, the maximum of window i; the last whose pixel is nan if
    // y is nan.
    template <typename X>
    __device__ long long winner(X& x, T y, long long i) const {
        long long found = 0;
        over_window(x, i, [&](T value, long long tap) {
            if (value == y || value != value) found = tap;
            return value == y;
        });
        return found;
    }

    // a, winners (N, C, OH, OW) -> pixel (N, C, H, W): the sum of a over the windows that it wins
    template <typename A, typename Winners>
    __device__ T route_back(A& a, Winners& winners, long long i) const {
        long long w = i % W + left, h = i / W % H + top, image = i / W / H;
        return sum_over_windows(h, w, [&](long long kh, long long kw, long long oh, long long ow) {
            long long window = (image * OH + oh) * OW + ow;
            return winners[window] == kh * KW + kw ? a[window] : T(0);
        });
    }
};

// ---------------------------------------------------------------------------------- dropout

// One hash (splitmix64) of seed and position gives 16 random bits to each of four elements.
template <typename T>
__device__ T keep_mask(long long seed, long long dropped, T scale, long long i) {
    unsigned long long z = (unsigned long long)(i / 4) * 0x9E3779B97F4A7C15ULL + seed;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
    z ^= z >> 31;
    return (long long)(z >> i % 4 * 16 & 0xFFFF) < dropped ? T(0) : scale;
}

// ------------------------------------------------------------------------------- optimisers

template <typename T>
__device__ void momentum_step(T g, T lr, T momentum, T weight, bool nesterov, T& p, T& v) {
    v = momentum * v + weight * g;
    p -= lr * (nesterov ? T(g + momentum * v) : v);
}

template <typename T>
__device__ void update_averages(T g, T beta2, T weight1, T weight2, T& m, T& v) {
    m += weight1 * (g - m);
    v = beta2 * v + weight2 * (g * g);
}

template <typename T>
__device__ void adam_step(
    T g, T beta2, T weight1, T weight2, T rate, T floor, T& p, T& m, T& v
) {
    update_averages(g, beta2, weight1, weight2, m, v);
    p -= rate * m / (T(sqrt(v)) + floor);
}

template <typename T>
__device__ void amsgrad_step(
    T g, T beta2, T weight1, T weight2, T rate, T floor, T& p, T& m, T& v, T& most
) {
    update_averages(g, beta2, weight1, weight2, m, v);
    if (v > most || v != v) most = v;
    p -= rate * m / (T(sqrt(most)) + floor);
}
