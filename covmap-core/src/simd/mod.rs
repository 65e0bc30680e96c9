//! Pixel kernels: one safe function each, the best instruction set of the machine picked at run time.
//!
//! Every kernel gives the same result at every [`Level`], bit for bit (NaNs count as one value): sums run over a fixed
//! number of lanes and no multiplication is fused with an addition. Most kernels are one plain loop compiled once per
//! level; intrinsics appear only where the compiler finds no good form (bit masks, table permutations, byte shuffles). On
//! aarch64, where nothing is tested yet, every kernel takes the portable path.
//!
//! Lengths that do not agree (and a threshold outside 0..1 in `remap_threshold`) are a caller's bug and panic; pixel values
//! never do.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::threads;

mod bits;
mod components;
mod overlay;
mod probability;
mod regions;
mod upsample;
mod window;

pub use components::*;
pub use overlay::*;
pub use probability::*;
pub use regions::*;
pub use upsample::*;
pub use window::*;

/// Destinations with more pixels than this are worked on by several threads (rayon's current pool), if more may work at all.
const PARALLEL_PIXELS: usize = 1 << 20;

fn in_parallel(pixels: usize) -> bool {
    pixels > PARALLEL_PIXELS && threads::may_share()
}

/// About as many pixels as a thread then takes at a time.
const BAND_PIXELS: usize = 1 << 16;

/// Instruction set that the kernels use, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// What the compilation target guarantees (SSE2 on x86-64, NEON as the compiler uses it on aarch64).
    Portable,
    /// AVX2, FMA, BMI1, BMI2, LZCNT and POPCNT (Haswell, Zen and later).
    Avx2,
    /// `Avx2` and AVX-512 F, BW, DQ, VL (Skylake-X, Zen 4 and later).
    Avx512,
}

impl Level {
    /// The level in use: the best one of this machine, lowered where the environment variable `COVMAP_SIMD` names a
    /// lower one (`portable`, `avx2` or `avx512`; anything else is ignored). Read once per process.
    pub fn detect() -> Self {
        match Self::ALL.get(usize::from(IN_USE.load(Ordering::Relaxed))) {
            Some(level) => *level,
            None => {
                let wanted = std::env::var("COVMAP_SIMD").ok().and_then(|name| Self::from_name(&name));
                Self::set(wanted.unwrap_or(Self::Avx512))
            }
        }
    }

    /// Makes this level, or the best one below it that this machine can run, the level in use, and returns it. Networks keep
    /// the level that was in use when they were loaded. For the whole process: self-tests go through all levels with it.
    pub(crate) fn set(self) -> Self {
        let level = self.supported();
        IN_USE.store(level as u8, Ordering::Relaxed);
        level
    }

    /// Every level, lowest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The name that `COVMAP_SIMD` takes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// All levels that this machine can run, lowest first; the environment has no say here.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|level| level.supported() == *level).collect()
    }

    /// This level, or the best one below it that this machine can run. Every dispatch goes through here: it is what makes
    /// calling the kernels safe with any `Level`.
    pub(crate) fn supported(self) -> Self {
        self.min(Self::best())
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }

    #[cfg(target_arch = "x86_64")]
    fn best() -> Self {
        // Each of these is one load and test: the standard library caches CPUID.
        let avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        match (avx2, avx512) {
            (true, true) => Self::Avx512,
            (true, false) => Self::Avx2,
            _ => Self::Portable,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn best() -> Self {
        Self::Portable
    }
}

/// Index of the level in use; beyond all of them until somebody asks.
static IN_USE: AtomicU8 = AtomicU8::new(u8::MAX);

/// Whether 16-bit brain floats can be multiplied (AVX512_BF16; Zen 4, Cooper Lake and later) at the level in use.
pub(crate) fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        Level::detect() == Level::Avx512 && is_x86_feature_detected!("avx512bf16")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Defines a kernel from one plain body, compiled once per level: `$name` runs at the detected level, `$name_at` at a
/// given one. What the body calls has to be `#[inline(always)]`, otherwise it stays at the portable level.
macro_rules! kernel {
    (
        $(#[$meta:meta])*
        $visibility:vis fn $name:ident, $name_at:ident ( $($arg:ident : $type:ty),* $(,)? ) $(-> $return:ty)? $body:block
    ) => {
        $(#[$meta])*
        $visibility fn $name($($arg: $type),*) $(-> $return)? {
            $name_at($crate::simd::Level::detect(), $($arg),*)
        }

        $crate::simd::levels! {
            #[doc(hidden)]
            $visibility fn $name_at($($arg: $type),*) $(-> $return)? $body
        }
    };
}

/// The dispatching half of [`kernel!`]: a function whose first argument is the level.
macro_rules! levels {
    (
        $(#[$meta:meta])*
        $visibility:vis fn $name_at:ident ( $($arg:ident : $type:ty),* $(,)? ) $(-> $return:ty)? $body:block
    ) => {
        $(#[$meta])*
        $visibility fn $name_at(level: $crate::simd::Level, $($arg: $type),*) $(-> $return)? {
            #[inline(always)]
            fn portable($($arg: $type),*) $(-> $return)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
            fn avx2($($arg: $type),*) $(-> $return)? {
                portable($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
            fn avx512($($arg: $type),*) $(-> $return)? {
                portable($($arg),*)
            }

            match level.supported() {
                // SAFETY: `supported` returns a level only where the machine has every feature of it.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::Avx2 => unsafe { avx2($($arg),*) },
                _ => portable($($arg),*),
            }
        }
    };
}

use {kernel, levels};

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes around the vector widths of 16, 32 and 64 elements.
    pub(super) const SIZES: [usize; 14] = [0, 1, 2, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1003];

    /// A fixed pseudo-random sequence (SplitMix64), so that big inputs need no strategy.
    pub(super) fn noise(seed: u64) -> impl Iterator<Item = u64> {
        let mut state = seed;
        std::iter::repeat_with(move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        })
    }

    pub(super) fn noise_bytes(count: usize, seed: u64) -> Vec<u8> {
        noise(seed).map(|bits| bits as u8).take(count).collect()
    }

    /// Uniform in 0..1.
    pub(super) fn noise_probabilities(count: usize, seed: u64) -> Vec<f32> {
        noise(seed).map(|bits| (bits >> 40) as f32 / (1u32 << 24) as f32).take(count).collect()
    }

    /// The results of `work` in pools of one and of three threads.
    pub(super) fn in_pools<T: Send>(work: impl Fn() -> T + Sync) -> [T; 2] {
        [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("thread pool");
            pool.install(&work)
        })
    }

    #[test]
    fn available_levels_rise_from_portable() {
        let levels = Level::available();
        assert_eq!(levels[0], Level::Portable);
        assert!(levels.is_sorted());
        assert!(levels.contains(&Level::detect()));
    }

    #[test]
    fn a_level_beyond_the_machine_is_lowered() {
        assert_eq!(Some(&Level::Avx512.supported()), Level::available().last());
        assert_eq!(Level::Portable.supported(), Level::Portable);
    }

    #[test]
    fn names_of_the_environment_variable() {
        assert_eq!(Level::from_name("portable"), Some(Level::Portable));
        assert_eq!(Level::from_name("avx2"), Some(Level::Avx2));
        assert_eq!(Level::from_name("avx512"), Some(Level::Avx512));
        assert_eq!(Level::from_name("neon"), None);
    }
}
