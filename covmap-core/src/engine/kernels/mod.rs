//! What runs: kernels over an arena of floats, each compiled per instruction set.
//!
//! Values lie in blocks of sixteen channels: block, row, column, channel, with a frame of zeros (the halo) around each
//! block's image as wide as any reader needs, so that no kernel knows about borders.
//!
//! # Safety
//! Kernels trust the step that calls them: the plan's check has bounded every offset by the arena, tasks of one step write
//! apart, and a level's code runs only where the machine has that level.
// Each unsafe function states its contract; the blocks inside add nothing to it.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)]

pub(crate) mod bf16;
pub(crate) mod conv;
pub(crate) mod depthwise;
pub(crate) mod head;
pub(crate) mod lane;
pub(crate) mod plane;
pub(crate) mod winograd;

use crate::engine::graph::Act;
use lane::Lane;

/// Channels in a block.
pub(crate) const BLOCK: usize = 16;

/// Compiles `$body`, generic over [`Lane`], for every level.
macro_rules! level_dispatch {
    ($(#[$meta:meta])* $vis:vis unsafe fn $name:ident($($arg:ident : $ty:ty),* $(,)?) with $body:ident) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis unsafe fn $name(level: $crate::simd::Level, $($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            unsafe fn avx512($($arg: $ty),*) {
                unsafe { $body::<$crate::engine::kernels::lane::Avx512>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            unsafe fn avx2($($arg: $ty),*) {
                unsafe { $body::<$crate::engine::kernels::lane::Avx2>($($arg),*) }
            }
            unsafe {
                match level {
                    #[cfg(target_arch = "x86_64")]
                    $crate::simd::Level::Avx512 => avx512($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::simd::Level::Avx2 => avx2($($arg),*),
                    _ => $body::<$crate::engine::kernels::lane::Portable>($($arg),*),
                }
            }
        }
    };
}
use level_dispatch;

/// Most output blocks that a level's registers hold at once.
pub(crate) fn widest_group(level: crate::simd::Level) -> usize {
    if level == crate::simd::Level::Avx512 { 3 } else { 1 }
}

/// `act` of sixteen numbers.
#[inline(always)]
unsafe fn act<V: Lane>(v: V, act: Option<Act>) -> V {
    unsafe {
        match act {
            None => v,
            Some(Act::Clamp(low, high)) => v.max(V::splat(low)).min(V::splat(high)),
            Some(Act::Leaky(slope)) => v.max(V::splat(0.0)).add(v.min(V::splat(0.0)).mul(V::splat(slope))),
            Some(Act::HardSwish) => v.mul(hard_sigmoid(v)),
            Some(Act::Sigmoid) => each(v, sigmoid),
            Some(Act::Silu) => v.mul(each(v, sigmoid)),
        }
    }
}

#[inline(always)]
unsafe fn hard_sigmoid<V: Lane>(v: V) -> V {
    unsafe { v.fma(V::splat(1.0 / 6.0), V::splat(0.5)).max(V::splat(0.0)).min(V::splat(1.0)) }
}

#[inline(always)]
unsafe fn each<V: Lane>(v: V, f: impl Fn(f32) -> f32) -> V {
    unsafe {
        let mut out = [0.0; BLOCK];
        v.store(out.as_mut_ptr());
        out = out.map(f);
        V::load(out.as_ptr())
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
