//! Plans against the plain meaning of the operators.

use super::Plan;
#[cfg(unix)]
use crate::engine::fence::{Side, within};
use crate::engine::graph::{Act, Conv, Graph, Op, Pool, PoolKind, Shape, ValueId};
use crate::engine::reference;
use crate::simd::Level;

/// Small repeatable numbers.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn take(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next()).collect()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[((self.next() + 1.0) / 2.0 * from.len() as f32) as usize % from.len()]
    }
}

/// Runs a plan on inputs and outputs of its own.
fn run(plan: &Plan, graph: &Graph, inputs: &[Vec<f32>], threads: usize) -> Vec<Vec<f32>> {
    let inputs = inputs.to_vec();
    let views: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    let mut outputs: Vec<Vec<f32>> = graph.outputs.iter().map(|o| Vec::with_capacity(graph.values[*o].shape.len())).collect();
    plan.run::<()>(&views, &mut outputs, threads, &mut |_| Ok(())).unwrap();
    outputs
}

/// The same between forbidden pages: planning, packing and running read and write nothing beyond what they asked for.
#[cfg(unix)]
fn check_fenced(graph: &Graph, level: Level, bf16: bool, inputs: &[Vec<f32>], expected: &[Vec<f32>], what: &str) {
    for side in [Side::Before, Side::After] {
        let found = within(side, || run(&Plan::new(graph.clone(), level, bf16).unwrap(), graph, inputs, 1));
        assert_eq!(found, expected, "{what} at {level:?}: differs between forbidden pages");
    }
}

/// Every level and one and three threads give the reference's values; thread counts give identical ones.
fn check(graph: &Graph, what: &str) {
    let mut numbers = Numbers(42);
    let inputs: Vec<Vec<f32>> = graph.inputs.iter().map(|i| numbers.take(graph.values[*i].shape.len())).collect();
    let expected = reference::run(graph, &inputs);
    for level in Level::available() {
        let plan = Plan::new(graph.clone(), level, false).unwrap_or_else(|e| panic!("{what}: {e}"));
        let mut first: Option<Vec<Vec<f32>>> = None;
        // Twice on one thread: the second run finds what the first has left in the arena.
        for threads in [1, 1, 3] {
            let outputs = run(&plan, graph, &inputs, threads);
            for (ours, theirs) in outputs.iter().zip(&expected) {
                let scale = theirs.iter().fold(1e-3f32, |m, x| m.max(x.abs()));
                for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
                    assert!((a - b).abs() <= 1e-4 * scale, "{what} at {level:?}, {threads} threads: value {i} is {a}, not {b}");
                }
            }
            assert_eq!(first.get_or_insert_with(|| outputs.clone()), &outputs, "{what} at {level:?}: {threads} threads differ");
        }
        #[cfg(unix)]
        check_fenced(graph, level, false, &inputs, &first.unwrap(), what);
    }
}

fn conv(numbers: &mut Numbers, from: usize, to: usize, groups: usize, kernel: [usize; 2]) -> Conv {
    let per_group = from / groups;
    let scale = (3.0 / (per_group * kernel[0] * kernel[1]) as f32).sqrt();
    Conv {
        weights: numbers.take(to * per_group * kernel[0] * kernel[1]).iter().map(|w| w * scale).collect(),
        bias: numbers.take(to),
        groups,
        kernel,
        stride: [1, 1],
        dilation: [1, 1],
        pad: [kernel[0] / 2, kernel[1] / 2],
        transposed: false,
    }
}

fn single(shape: Shape, out: Shape, op: Op) -> Graph {
    let mut g = Graph::default();
    let x = g.push("x", shape, Op::Input, &[]);
    let y = g.push("y", out, op, &[x]);
    g.outputs = vec![y];
    g
}

fn size(c: usize, h: usize, w: usize) -> Shape {
    Shape { c, h, w }
}

#[test]
fn convolutions_of_many_forms() {
    let mut numbers = Numbers(1);
    for case in 0..120 {
        let kernel = numbers.pick(&[[1, 1], [3, 3], [5, 5], [1, 7], [2, 2], [4, 3]]);
        let (c, out) = (numbers.pick(&[1, 3, 16, 17, 40]), numbers.pick(&[1, 2, 16, 24, 33, 70]));
        let (h, w) = (numbers.pick(&[1, 2, 7, 8, 13]), numbers.pick(&[1, 5, 8, 16, 19]));
        let mut op = conv(&mut numbers, c, out, 1, kernel);
        op.stride = numbers.pick(&[[1, 1], [2, 2], [1, 2]]);
        op.dilation = numbers.pick(&[[1, 1], [1, 1], [2, 1]]);
        op.pad = [numbers.pick(&[0, 1, 2]), numbers.pick(&[0, 1, 3])];
        let n = |size: usize, axis: usize| {
            let reach = (op.kernel[axis] - 1) * op.dilation[axis] + 1;
            (size + 2 * op.pad[axis]).checked_sub(reach).map(|room| room / op.stride[axis] + 1)
        };
        let (Some(oh), Some(ow)) = (n(h, 0), n(w, 1)) else { continue };
        check(&single(size(c, h, w), size(out, oh, ow), Op::Conv(op)), &format!("convolution {case}"));
    }
}

#[test]
fn winograd_and_its_neighbours() {
    let mut numbers = Numbers(2);
    // Multiples of four go by Winograd, the others do not.
    for (c, out, h, w) in [(16, 16, 4, 4), (24, 40, 8, 12), (33, 17, 32, 4), (64, 48, 16, 16), (16, 16, 6, 8), (15, 16, 8, 8)] {
        let op = conv(&mut numbers, c, out, 1, [3, 3]);
        check(&single(size(c, h, w), size(out, h, w), Op::Conv(op)), &format!("3 x 3, {c} -> {out}, {h} x {w}"));
    }
}

/// Rounding to 8 bits of mantissa: 0.4 % of each product, less of their sum.
fn check_rounded(g: &Graph, what: &str) {
    let mut numbers = Numbers(5);
    let inputs = [numbers.take(g.values[g.inputs[0]].shape.len())];
    let expected = &reference::run(g, &inputs)[0];
    let plan = Plan::new(g.clone(), Level::Avx512, true).unwrap();
    let last = plan.steps().last().unwrap().kernel();
    assert!(last.contains("bf16"), "{what}: {last}");
    let ours = run(&plan, g, &inputs, 1);
    let scale = expected.iter().fold(0f32, |m, x| m.max(x.abs()));
    let worst = ours[0].iter().zip(expected).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(worst <= 0.02 * scale && worst > 0.0, "{what}: {worst} of {scale}");
    assert_eq!(ours, run(&plan, g, &inputs, 3), "{what}: threads differ");
    #[cfg(unix)]
    check_fenced(g, Level::Avx512, true, &inputs, &ours, what);
}

#[test]
fn convolutions_in_brain_floats() {
    if !crate::simd::has_bf16() {
        eprintln!("SKIPPED: this processor has no AVX512_BF16");
        return;
    }
    let mut numbers = Numbers(7);
    for (c, out, h, w) in [(16, 16, 8, 8), (24, 40, 5, 9), (33, 70, 3, 1), (144, 24, 64usize, 64usize)] {
        for (kernel, stride, dilation) in [(1, 1, 1), (3, 1, 1), (3, 2, 1), (5, 1, 1), (3, 1, 2), (5, 2, 1)] {
            // A first convolution, so that the second reads blocks with lanes to spare.
            let (first, mut second) = (conv(&mut numbers, 16, c, 1, [1, 1]), conv(&mut numbers, c, out, 1, [kernel; 2]));
            (second.stride, second.dilation, second.pad) = ([stride; 2], [dilation; 2], [kernel / 2 * dilation; 2]);
            let to = size(out, h.div_ceil(stride), w.div_ceil(stride));
            if (kernel, stride, dilation) == (3, 1, 1) && h % 4 == 0 {
                continue; // Winograd's
            }
            let mut g = Graph::default();
            let x = g.push("x", size(16, h, w), Op::Input, &[]);
            let y = g.push("y", size(c, h, w), Op::Conv(first), &[x]);
            let z = g.push("z", to, Op::Conv(second), &[y]);
            let act = g.push("act", to, Op::Act(Act::Clamp(0.0, 6.0)), &[z]);
            g.outputs = vec![act];
            check_rounded(&g, &format!("{c} -> {out}, {h} x {w}, kernel {kernel}, stride {stride}, dilation {dilation}"));
        }
    }
}

#[test]
fn enlarged_and_joined_in_brain_floats() {
    if !crate::simd::has_bf16() {
        eprintln!("SKIPPED: this processor has no AVX512_BF16");
        return;
    }
    let mut numbers = Numbers(8);
    for (c, skip, out, h, w) in [(24, 0, 16, 9, 13), (40, 17, 33, 5, 8), (16, 16, 48, 1, 3), (24, 0, 16, 32, 32)] {
        let mut g = Graph::default();
        let x = g.push("x", size(16, 2 * h, 2 * w), Op::Input, &[]);
        let mut halved = conv(&mut numbers, 16, c, 1, [3, 3]);
        halved.stride = [2, 2];
        let small = g.push("small", size(c, h, w), Op::Conv(halved), &[x]);
        let mut y = g.push("up", size(c, 2 * h, 2 * w), Op::Nearest { factor: 2 }, &[small]);
        if skip > 0 {
            let beside = g.push("beside", size(skip, 2 * h, 2 * w), Op::Conv(conv(&mut numbers, 16, skip, 1, [1, 1])), &[x]);
            y = g.push("join", size(c + skip, 2 * h, 2 * w), Op::Concat, &[y, beside]);
        }
        let z = g.push("z", size(out, 2 * h, 2 * w), Op::Conv(conv(&mut numbers, c + skip, out, 1, [3, 3])), &[y]);
        g.outputs = vec![z];
        check_rounded(&g, &format!("enlarged {c} and {skip} -> {out}, {h} x {w}"));
    }
    // A sum fused into the convolution.
    let mut g = Graph::default();
    let x = g.push("x", size(32, 7, 9), Op::Input, &[]);
    let y = g.push("y", size(32, 7, 9), Op::Conv(conv(&mut numbers, 32, 32, 1, [1, 1])), &[x]);
    let z = g.push("z", size(32, 7, 9), Op::Conv(conv(&mut numbers, 32, 32, 1, [3, 3])), &[y]);
    let sum = g.push("sum", size(32, 7, 9), Op::Add, &[y, z]);
    g.outputs = vec![sum];
    check_rounded(&g, "with a sum");
}

#[test]
fn groups_depthwise_and_transposed() {
    let mut numbers = Numbers(3);
    for (c, kernel, stride, dilation) in [(16, 3, 1, 1), (17, 5, 2, 1), (3, 3, 2, 1), (48, 3, 1, 2), (33, 7, 1, 1)] {
        let mut op = conv(&mut numbers, c, c, c, [kernel; 2]);
        (op.stride, op.dilation, op.pad) = ([stride; 2], [dilation; 2], [kernel / 2 * dilation; 2]);
        let out = size(c, 9usize.div_ceil(stride), 14usize.div_ceil(stride));
        check(&single(size(c, 9, 14), out, Op::Conv(op)), &format!("depthwise {c}, {kernel}"));
    }
    let grouped = conv(&mut numbers, 20, 32, 2, [3, 3]);
    check(&single(size(20, 9, 8), size(32, 9, 8), Op::Conv(grouped)), "two groups");
    for (kernel, stride, pad) in [(2, 2, 0), (4, 2, 1), (3, 2, 1), (3, 1, 1), (3, 3, 0)] {
        let mut op = conv(&mut numbers, 18, 20, 1, [kernel; 2]);
        (op.stride, op.pad, op.transposed) = ([stride; 2], [pad; 2], true);
        let n = |size: usize| (size - 1) * stride + kernel - 2 * pad;
        check(&single(size(18, 5, 7), size(20, n(5), n(7)), Op::Conv(op)), &format!("transposed {kernel}, {stride}, {pad}"));
    }
}

/// Enlarge, join with a skip, convolve with a 3 x 3 kernel: the step that decoders are made of.
fn decoder(numbers: &mut Numbers, low: Shape, skip: usize, out: usize, factor: usize, kernel: usize) -> Graph {
    let mut g = Graph::default();
    let (h, w) = (low.h * factor, low.w * factor);
    let x = g.push("low", low, Op::Input, &[]);
    let s = g.push("skip", size(skip, h, w), Op::Input, &[]);
    let up = g.push("up", size(low.c, h, w), Op::Nearest { factor }, &[x]);
    let joined = g.push("joined", size(low.c + skip, h, w), Op::Concat, &[up, s]);
    let op = conv(numbers, low.c + skip, out, 1, [kernel; 2]);
    let y = g.push("conv", size(out, h, w), Op::Conv(op), &[joined]);
    let y = g.push("relu", size(out, h, w), Op::Act(Act::Clamp(0.0, f32::INFINITY)), &[y]);
    g.outputs = vec![y];
    g
}

#[test]
fn enlargements_and_joins_are_looked_through() {
    let mut numbers = Numbers(4);
    for (low, skip, out, factor, kernel) in [
        (size(16, 4, 4), 16, 16, 2, 3),
        (size(40, 8, 6), 16, 24, 2, 3),
        (size(17, 5, 3), 9, 20, 2, 3),
        (size(24, 3, 5), 33, 16, 2, 5),
        (size(16, 4, 4), 7, 18, 4, 3),
        (size(20, 5, 3), 4, 16, 3, 3),
    ] {
        check(&decoder(&mut numbers, low, skip, out, factor, kernel), &format!("decoder {low:?}, {skip}, {factor}, {kernel}"));
    }
}

#[test]
fn what_moves_into_a_convolution() {
    let mut numbers = Numbers(5);
    let mut g = Graph::default();
    let s = size(24, 8, 8);
    let x = g.push("x", s, Op::Input, &[]);
    let push = |g: &mut Graph, numbers: &mut Numbers, from: ValueId| {
        let op = conv(numbers, 24, 24, 1, [1, 1]);
        g.push("conv", s, Op::Conv(op), &[from])
    };
    let a = push(&mut g, &mut numbers, x);
    let a = g.push("affine", s, Op::Affine { scale: numbers.take(24), shift: numbers.take(24) }, &[a]);
    let a = g.push("low", s, Op::Act(Act::Clamp(0.0, f32::INFINITY)), &[a]);
    let a = g.push("high", s, Op::Act(Act::Clamp(f32::NEG_INFINITY, 0.5)), &[a]);
    let b = push(&mut g, &mut numbers, a);
    // The sum moves into the convolution that comes later; what it adds is read twice.
    let sum = g.push("sum", s, Op::Add, &[b, a]);
    let sum = g.push("silu", s, Op::Act(Act::Silu), &[sum]);
    let c = push(&mut g, &mut numbers, sum);
    let c = g.push("leaky", s, Op::Act(Act::Leaky(0.1)), &[c]);
    let both = g.push("both", s, Op::Add, &[c, a]);
    let twice = g.push("twice", s, Op::Add, &[both, both]);
    g.outputs = vec![twice, a, sum];
    check(&g, "fusion");
    assert_eq!(Plan::new(g, Level::Portable, false).unwrap().steps().len(), 5);
}

#[test]
fn operators_between_convolutions() {
    let mut numbers = Numbers(6);
    let s = size(20, 9, 11);
    let mut g = Graph::default();
    let x = g.push("x", s, Op::Input, &[]);
    let mut outputs = Vec::new();
    for act in [Act::Clamp(-0.5, 0.25), Act::Leaky(0.2), Act::Sigmoid, Act::Silu, Act::HardSwish] {
        outputs.push(g.push("act", s, Op::Act(act), &[x]));
    }
    for (kind, kernel, stride, pad) in [
        (PoolKind::Max, 2, 2, 0),
        (PoolKind::Max, 3, 2, 1),
        (PoolKind::Average, 3, 1, 1),
        (PoolKind::AverageWithPadding, 3, 2, 1),
        (PoolKind::Average, 2, 2, 0),
    ] {
        let n = |size: usize| (size + 2 * pad - kernel) / stride + 1;
        let pool = Pool { kind, kernel: [kernel; 2], stride: [stride; 2], pad: [pad; 2] };
        outputs.push(g.push("pool", size(20, n(9), n(11)), Op::Pool(pool), &[x]));
    }
    let sum = g.push("global", size(20, 1, 1), Op::GlobalSum, &[x]);
    let gate = g.push("gate", size(20, 1, 1), Op::Act(Act::Sigmoid), &[sum]);
    outputs.push(g.push("scaled", s, Op::MulChannel, &[x, gate]));
    outputs.push(g.push("square", s, Op::Mul, &[x, x]));
    outputs.push(g.push("affine", s, Op::Affine { scale: numbers.take(20), shift: numbers.take(20) }, &[x]));
    for factor in [2, 3] {
        outputs.push(g.push("nearest", size(20, 9 * factor, 11 * factor), Op::Nearest { factor }, &[x]));
        outputs.push(g.push("bilinear", size(20, 9 * factor, 11 * factor), Op::Bilinear { factor }, &[x]));
    }
    let block = g.push("block", size(16, 9, 11), Op::Input, &[]);
    outputs.push(g.push("joined", size(36, 9, 11), Op::Concat, &[block, x]));
    outputs.push(x);
    g.outputs = outputs;
    check(&g, "operators");
}

#[test]
fn a_join_inside_a_block_is_refused_where_it_must_stand() {
    let mut g = Graph::default();
    let x = g.push("x", size(3, 4, 4), Op::Input, &[]);
    let y = g.push("y", size(6, 4, 4), Op::Concat, &[x, x]);
    g.outputs = vec![y];
    assert!(Plan::new(g, Level::Portable, false).unwrap_err().contains("inside a block"));
}

#[test]
fn heads_leave_as_planes() {
    let mut numbers = Numbers(12);
    for channels in [1, 2, 3, 4, 5] {
        for (h, w) in [(1, 1), (5, 16), (9, 19), (4, 33)] {
            let mut g = Graph::default();
            let x = g.push("x", size(20, h, w), Op::Input, &[]);
            let a = g.push("a", size(24, h, w), Op::Conv(conv(&mut numbers, 20, 24, 1, [3, 3])), &[x]);
            let b = g.push("b", size(17, h, w), Op::Conv(conv(&mut numbers, 20, 17, 1, [3, 3])), &[x]);
            let both = g.push("both", size(41, h, w), Op::Concat, &[a, b]);
            let one = g.push("one", size(channels, h, w), Op::Conv(conv(&mut numbers, 24, channels, 1, [1, 1])), &[a]);
            let two = g.push("two", size(channels, h, w), Op::Conv(conv(&mut numbers, 41, channels, 1, [1, 1])), &[both]);
            let sigmoid = g.push("sigmoid", size(channels, h, w), Op::Act(Act::Sigmoid), &[two]);
            // Read once more, so it stays in blocks.
            let kept = g.push("kept", size(channels, h, w), Op::Conv(conv(&mut numbers, 17, channels, 1, [1, 1])), &[b]);
            let sum = g.push("sum", size(channels, h, w), Op::Add, &[kept, one]);
            g.outputs = vec![sigmoid, kept, sum];
            check(&g, &format!("heads of {channels} channels, {h} x {w}"));
            g.outputs = vec![one, sigmoid];
            check(&g, &format!("heads alone of {channels} channels, {h} x {w}"));
        }
    }
}
