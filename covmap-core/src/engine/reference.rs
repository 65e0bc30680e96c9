//! The plain meaning of every operator, pixel by pixel: what plans are tested against.

use crate::engine::graph::{Act, Conv, Graph, Op, Pool, PoolKind, Shape};

pub(crate) fn run(graph: &Graph, inputs: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let mut values: Vec<Vec<f32>> = Vec::new();
    let mut given = inputs.iter();
    for value in &graph.values {
        let shape = value.shape;
        let arg = |i: usize| &values[value.inputs[i]];
        let from = |i: usize| graph.values[value.inputs[i]].shape;
        let per_channel = |f: &dyn Fn(usize, f32) -> f32| arg(0).iter().enumerate().map(|(i, x)| f(i / (shape.h * shape.w), *x)).collect();
        let each_pixel = |f: &dyn Fn(usize, usize, usize) -> f32| {
            (0..shape.len()).map(|i| f(i / (shape.h * shape.w), i / shape.w % shape.h, i % shape.w)).collect::<Vec<f32>>()
        };
        let at = |c: usize, y: usize, x: usize| arg(0)[(c * from(0).h + y) * from(0).w + x];
        values.push(match &value.op {
            Op::Input => given.next().expect("an input is missing").clone(),
            Op::Conv(conv) => convolve(conv, arg(0), from(0), shape),
            Op::Affine { scale, shift } => per_channel(&|c, x| x * scale[c] + shift[c]),
            Op::Act(act) => arg(0).iter().map(|x| apply(*act, *x)).collect(),
            Op::Add => arg(0).iter().zip(arg(1)).map(|(a, b)| a + b).collect(),
            Op::Mul => arg(0).iter().zip(arg(1)).map(|(a, b)| a * b).collect(),
            Op::MulChannel => per_channel(&|c, x| x * arg(1)[c]),
            Op::Concat => value.inputs.iter().flat_map(|i| values[*i].clone()).collect(),
            Op::Nearest { factor } => each_pixel(&|c, y, x| at(c, y / factor, x / factor)),
            Op::Bilinear { factor } => each_pixel(&|c, y, x| {
                let near = |i: usize, n: usize| {
                    let p = (i as f32 + 0.5) / *factor as f32 - 0.5;
                    let low = p.floor();
                    (low.max(0.0) as usize, ((low + 1.0).max(0.0) as usize).min(n - 1), p - low)
                };
                let ((y0, y1, fy), (x0, x1, fx)) = (near(y, from(0).h), near(x, from(0).w));
                let mix = |y: usize| at(c, y, x0) * (1.0 - fx) + at(c, y, x1) * fx;
                mix(y0) * (1.0 - fy) + mix(y1) * fy
            }),
            Op::GlobalSum => arg(0).chunks(from(0).h * from(0).w).map(|p| p.iter().sum::<f32>()).collect(),
            Op::Pool(pool) => each_pixel(&|c, y, x| window(pool, from(0), y, x, &|y, x| at(c, y, x))),
        });
    }
    graph.outputs.iter().map(|o| values[*o].clone()).collect()
}

fn window(pool: &Pool, from: Shape, y: usize, x: usize, at: &dyn Fn(usize, usize) -> f32) -> f32 {
    let (mut n, mut sum, mut max) = (0, 0.0, f32::NEG_INFINITY);
    for i in 0..pool.kernel[0] {
        for j in 0..pool.kernel[1] {
            let (y, x) = (y * pool.stride[0] + i, x * pool.stride[1] + j);
            if y >= pool.pad[0] && x >= pool.pad[1] && y - pool.pad[0] < from.h && x - pool.pad[1] < from.w {
                let v = at(y - pool.pad[0], x - pool.pad[1]);
                (n, sum, max) = (n + 1, sum + v, max.max(v));
            }
        }
    }
    match pool.kind {
        PoolKind::Max => max,
        PoolKind::Average => sum / n as f32,
        PoolKind::AverageWithPadding => sum / (pool.kernel[0] * pool.kernel[1]) as f32,
    }
}

fn convolve(conv: &Conv, input: &[f32], from: Shape, to: Shape) -> Vec<f32> {
    let [kh, kw] = conv.kernel;
    let (gi, go) = (from.c / conv.groups, to.c / conv.groups);
    let mut out: Vec<f64> = (0..to.len()).map(|i| f64::from(conv.bias[i / (to.h * to.w)])).collect();
    // Every (smaller-grid pixel, tap) pair meets one larger-grid pixel; which grid is the input tells the kinds apart.
    let small = if conv.transposed { from } else { to };
    let large = if conv.transposed { to } else { from };
    for oc in 0..to.c {
        for ic in 0..gi {
            for ky in 0..kh {
                for kx in 0..kw {
                    let weight = f64::from(conv.weights[((oc * gi + ic) * kh + ky) * kw + kx]);
                    for y in 0..small.h {
                        let ly = (y * conv.stride[0] + ky * conv.dilation[0]).wrapping_sub(conv.pad[0]);
                        if ly >= large.h {
                            continue;
                        }
                        for x in 0..small.w {
                            let lx = (x * conv.stride[1] + kx * conv.dilation[1]).wrapping_sub(conv.pad[1]);
                            if lx < large.w {
                                let channel = oc / go * gi + ic;
                                let ((iy, ix), (oy, ox)) = if conv.transposed { ((y, x), (ly, lx)) } else { ((ly, lx), (y, x)) };
                                out[(oc * to.h + oy) * to.w + ox] += weight * f64::from(input[(channel * from.h + iy) * from.w + ix]);
                            }
                        }
                    }
                }
            }
        }
    }
    out.into_iter().map(|x| x as f32).collect()
}

fn apply(act: Act, x: f32) -> f32 {
    match act {
        Act::Clamp(low, high) => x.max(low).min(high),
        Act::Leaky(slope) => {
            if x < 0.0 {
                slope * x
            } else {
                x
            }
        }
        Act::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Act::Silu => x / (1.0 + (-x).exp()),
        Act::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
    }
}
