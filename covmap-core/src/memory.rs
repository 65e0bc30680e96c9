//! Peak memory of an analysis, predicted before it starts. `tests/tests/reliability/memory.rs` holds it against measurements.

use crate::engine::Channel;
use crate::margins::GROWTH;
use crate::{Pipeline, Result, RunOptions, Views};

/// Per pixel of the radiograph: the lungs' labels, which are copied once, then labels and map.
const PIXEL_BYTES: u64 = 2;
/// Per row and column of the radiograph, and thread: positions, weights and line buffers of resampling.
const LINE_BYTES: u64 = 64;
/// Planes of f32 in the network's pixels, while lungs are cleaned and the map is made.
const WORK_PLANES: u64 = 16;
/// What the allocator keeps for itself, stacks, tables and results without pixels.
const FIXED_BYTES: u64 = 4 << 20;

impl Pipeline {
    /// Bytes that the analysis of a radiograph of `width` x `height` pixels holds at its peak, beside pipeline and radiograph:
    /// an upper bound. It grows by about 2 bytes a pixel; the rest is the network's. Of several at once each needs as much.
    /// Reading ([`Limits::max_decoded_bytes`](crate::Limits::max_decoded_bytes)), rendering and reports need theirs before and
    /// after it. [`RunOptions::limits`] bound it.
    ///
    /// # Errors
    /// `Parameter` for a precision that this build does not have; those of a network that is made for it here.
    pub fn peak_memory(&self, width: usize, height: usize, options: &RunOptions) -> Result<u64> {
        // More than any radiograph; nothing below overflows.
        let [width, height] = [width, height].map(|n| (n as u64).min(1 << 31));
        let threads = self.threads().count() as u64;
        let views = if options.views == Views::Flip { 2 } else { 1 };
        // What networks keep for their next run; answers of all members and views until they are fused; what the one member that
        // runs needs beside; a plane of the largest network.
        let (mut kept, mut answers, mut running, mut largest) = (0u64, 0u64, 0u64, 0u64);
        for model in self.models() {
            let spec = model.spec();
            let [h, w] = spec.input.size.map(|n| n as u64);
            let (plane, inputs) = (4 * h * w, spec.input.channels as u64);
            let outputs: u64 = spec.outputs.iter().map(|o| o.channels.len() as u64).sum();
            let found: u64 = if spec.has(Channel::Infection) { 3 } else { 2 };
            // With the widest margins.
            let whole = (GROWTH * plane as f64) as u64;
            answers += views * found * whole;
            // Stretched in two steps, rows first; input and mirrored input; outputs as tensors, values and planes.
            let stretched = 2 * w * height + 3 * plane;
            let [stays, goes] = model.run_bytes(options, threads as usize)?.map(|n| n as u64);
            kept += stays;
            running = running.max(stretched.max(goes + (2 * inputs + 3 * outputs) * plane));
            largest = largest.max(whole);
        }
        // Fusion copies what it fuses.
        let maps = PIXEL_BYTES * width * height + 2 * answers + WORK_PLANES * largest;
        let lines = LINE_BYTES * threads * (width + height);
        Ok(FIXED_BYTES + lines + kept + (answers + running).max(maps))
    }
}
