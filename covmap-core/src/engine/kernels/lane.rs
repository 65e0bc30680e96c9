//! Sixteen floats as the machine holds them: one register, two, or an array.

/// A vector of sixteen `f32`.
///
/// # Safety
/// Every method needs the instruction set of its type; `load` and `store` need sixteen floats at the pointer.
pub(crate) trait Lane: Copy {
    /// Registers that sixteen floats take, of how many.
    const REGISTERS: (usize, usize);
    unsafe fn splat(x: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// `self * b + c`.
    unsafe fn fma(self, b: Self, c: Self) -> Self;
    unsafe fn add(self, b: Self) -> Self;
    unsafe fn sub(self, b: Self) -> Self;
    unsafe fn mul(self, b: Self) -> Self;
    unsafe fn min(self, b: Self) -> Self;
    unsafe fn max(self, b: Self) -> Self;
    /// Number i of vector j becomes number j of vector i.
    #[inline(always)]
    unsafe fn transpose(rows: [Self; 16]) -> [Self; 16] {
        unsafe {
            let mut numbers = [[0.0f32; 16]; 16];
            rows.into_iter().zip(&mut numbers).for_each(|(row, to)| row.store(to.as_mut_ptr()));
            std::array::from_fn(|i| Self::load(std::array::from_fn::<f32, 16, _>(|j| numbers[j][i]).as_ptr()))
        }
    }
}

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

#[cfg(target_arch = "x86_64")]
impl Avx512 {
    #[inline(always)]
    pub(super) fn of(v: __m512) -> Self {
        Avx512(v)
    }
}

// SAFETY: see the trait; the callers of this module run behind `Level::Avx512`.
#[cfg(target_arch = "x86_64")]
impl Lane for Avx512 {
    const REGISTERS: (usize, usize) = (1, 32);

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        unsafe { Avx512(_mm512_set1_ps(x)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Avx512(_mm512_loadu_ps(from)) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        unsafe { Avx512(_mm512_fmadd_ps(self.0, b.0, c.0)) }
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        unsafe { Avx512(_mm512_add_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        unsafe { Avx512(_mm512_sub_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        unsafe { Avx512(_mm512_mul_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn min(self, b: Self) -> Self {
        unsafe { Avx512(_mm512_min_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        unsafe { Avx512(_mm512_max_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn transpose(r: [Self; 16]) -> [Self; 16] {
        unsafe {
            // 4 x 4 within each quarter of four vectors, then the quarters as a 4 x 4 of their own. Loops, not closures: those
            // would not be compiled for this instruction set.
            let mut quads = [_mm512_setzero_ps(); 16];
            for q in (0..16).step_by(4) {
                let (ab, cd) = (_mm512_unpacklo_ps(r[q].0, r[q + 1].0), _mm512_unpacklo_ps(r[q + 2].0, r[q + 3].0));
                let (high_ab, high_cd) = (_mm512_unpackhi_ps(r[q].0, r[q + 1].0), _mm512_unpackhi_ps(r[q + 2].0, r[q + 3].0));
                quads[q] = _mm512_shuffle_ps::<0x44>(ab, cd);
                quads[q + 1] = _mm512_shuffle_ps::<0xee>(ab, cd);
                quads[q + 2] = _mm512_shuffle_ps::<0x44>(high_ab, high_cd);
                quads[q + 3] = _mm512_shuffle_ps::<0xee>(high_ab, high_cd);
            }
            let mut out = r;
            for i in 0..4 {
                let [a, b, c, d] = [quads[i], quads[i + 4], quads[i + 8], quads[i + 12]];
                let (even_ab, even_cd) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0x88>(c, d));
                let (odd_ab, odd_cd) = (_mm512_shuffle_f32x4::<0xdd>(a, b), _mm512_shuffle_f32x4::<0xdd>(c, d));
                out[i] = Avx512(_mm512_shuffle_f32x4::<0x88>(even_ab, even_cd));
                out[i + 4] = Avx512(_mm512_shuffle_f32x4::<0x88>(odd_ab, odd_cd));
                out[i + 8] = Avx512(_mm512_shuffle_f32x4::<0xdd>(even_ab, even_cd));
                out[i + 12] = Avx512(_mm512_shuffle_f32x4::<0xdd>(odd_ab, odd_cd));
            }
            out
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256, __m256);

#[cfg(target_arch = "x86_64")]
impl Avx2 {
    #[inline(always)]
    fn both(self, b: Self, f: impl Fn(__m256, __m256) -> __m256) -> Self {
        Avx2(f(self.0, b.0), f(self.1, b.1))
    }
}

// SAFETY: see the trait; the callers of this module run behind `Level::Avx2`.
#[cfg(target_arch = "x86_64")]
impl Lane for Avx2 {
    const REGISTERS: (usize, usize) = (2, 16);

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        unsafe { Avx2(_mm256_set1_ps(x), _mm256_set1_ps(x)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Avx2(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe {
            _mm256_storeu_ps(to, self.0);
            _mm256_storeu_ps(to.add(8), self.1);
        }
    }
    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        unsafe { Avx2(_mm256_fmadd_ps(self.0, b.0, c.0), _mm256_fmadd_ps(self.1, b.1, c.1)) }
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        self.both(b, |a, b| unsafe { _mm256_add_ps(a, b) })
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        self.both(b, |a, b| unsafe { _mm256_sub_ps(a, b) })
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        self.both(b, |a, b| unsafe { _mm256_mul_ps(a, b) })
    }
    #[inline(always)]
    unsafe fn min(self, b: Self) -> Self {
        self.both(b, |a, b| unsafe { _mm256_min_ps(a, b) })
    }
    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        self.both(b, |a, b| unsafe { _mm256_max_ps(a, b) })
    }
    #[inline(always)]
    unsafe fn transpose(r: [Self; 16]) -> [Self; 16] {
        unsafe {
            let mut out = r;
            for q in (0..16).step_by(8) {
                let (mut low, mut high) = ([r[q].0; 8], [r[q].0; 8]);
                for i in 0..8 {
                    (low[i], high[i]) = (r[q + i].0, r[q + i].1);
                }
                (low, high) = (transpose_8(low), transpose_8(high));
                for i in 0..8 {
                    if q == 0 {
                        (out[i].0, out[i + 8].0) = (low[i], high[i]);
                    } else {
                        (out[i].1, out[i + 8].1) = (low[i], high[i]);
                    }
                }
            }
            out
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn transpose_8(r: [__m256; 8]) -> [__m256; 8] {
    unsafe {
        let mut quads = r;
        for q in [0, 4] {
            let (ab, cd) = (_mm256_unpacklo_ps(r[q], r[q + 1]), _mm256_unpacklo_ps(r[q + 2], r[q + 3]));
            let (high_ab, high_cd) = (_mm256_unpackhi_ps(r[q], r[q + 1]), _mm256_unpackhi_ps(r[q + 2], r[q + 3]));
            quads[q] = _mm256_shuffle_ps::<0x44>(ab, cd);
            quads[q + 1] = _mm256_shuffle_ps::<0xee>(ab, cd);
            quads[q + 2] = _mm256_shuffle_ps::<0x44>(high_ab, high_cd);
            quads[q + 3] = _mm256_shuffle_ps::<0xee>(high_ab, high_cd);
        }
        let mut out = r;
        for i in 0..4 {
            out[i] = _mm256_permute2f128_ps::<0x20>(quads[i], quads[i + 4]);
            out[i + 4] = _mm256_permute2f128_ps::<0x31>(quads[i], quads[i + 4]);
        }
        out
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; 16]);

impl Portable {
    #[inline(always)]
    fn each(self, b: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Portable(std::array::from_fn(|i| f(self.0[i], b.0[i])))
    }
}

// SAFETY: plain Rust; only the pointers matter.
impl Lane for Portable {
    const REGISTERS: (usize, usize) = (4, 16);

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Portable([x; 16])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Portable(from.cast::<[f32; 16]>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { to.cast::<[f32; 16]>().write_unaligned(self.0) }
    }
    // Not fused: without the instruction a fused multiply-add is a library call.
    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        Portable(std::array::from_fn(|i| self.0[i] * b.0[i] + c.0[i]))
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        self.each(b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        self.each(b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        self.each(b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn min(self, b: Self) -> Self {
        self.each(b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        self.each(b, |a, b| if a > b { a } else { b })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_swaps_rows_and_columns() {
        unsafe fn check<V: Lane>() {
            let rows: [[f32; 16]; 16] = std::array::from_fn(|j| std::array::from_fn(|i| (16 * j + i) as f32));
            // SAFETY: the caller has asked for the instruction set.
            let columns = unsafe { V::transpose(std::array::from_fn(|j| V::load(rows[j].as_ptr()))) };
            for (i, column) in columns.into_iter().enumerate() {
                let mut to = [0.0; 16];
                // SAFETY: as above.
                unsafe { column.store(to.as_mut_ptr()) };
                assert!(to.iter().enumerate().all(|(j, v)| *v == rows[j][i]), "column {i}: {to:?}");
            }
        }
        // SAFETY: each level is available.
        for level in crate::simd::Level::available() {
            unsafe {
                match level {
                    #[cfg(target_arch = "x86_64")]
                    crate::simd::Level::Avx512 => check::<Avx512>(),
                    #[cfg(target_arch = "x86_64")]
                    crate::simd::Level::Avx2 => check::<Avx2>(),
                    _ => check::<Portable>(),
                }
            }
        }
    }
}
