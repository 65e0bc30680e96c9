//! A region of a network as plain data: what the plan is compiled from.
//!
//! One image at a time: every operator here treats the images of a batch alike. Shapes are (channels, rows, columns).

/// Index of a value in [`Graph::values`].
pub(crate) type ValueId = usize;

/// Channels, rows and columns of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub c: usize,
    pub h: usize,
    pub w: usize,
}

impl Shape {
    pub(crate) fn len(self) -> usize {
        self.c * self.h * self.w
    }
}

/// Operators in an order in which they can run; each makes one value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    pub values: Vec<Value>,
    /// Values that the region is given, in order.
    pub inputs: Vec<ValueId>,
    /// Values that it gives, in order.
    pub outputs: Vec<ValueId>,
}

/// A value and the operator that makes it.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub name: String,
    pub shape: Shape,
    pub op: Op,
    pub inputs: Vec<ValueId>,
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Input,
    Conv(Conv),
    /// `x * scale + shift` per channel.
    Affine {
        scale: Vec<f32>,
        shift: Vec<f32>,
    },
    Act(Act),
    Add,
    /// Product of two values of one shape.
    Mul,
    /// First input times the second, a vector of one number per channel.
    MulChannel,
    Concat,
    Pool(Pool),
    /// Sum over all pixels of a channel.
    GlobalSum,
    /// Each pixel repeated `factor` times in both directions.
    Nearest {
        factor: usize,
    },
    /// Half-pixel bilinear enlargement, edges repeated.
    Bilinear {
        factor: usize,
    },
}

/// A convolution, transposed or not.
#[derive(Debug, Clone)]
pub(crate) struct Conv {
    /// Output channel, input channel within the group, row, column.
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
    pub groups: usize,
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Zero rows above and columns to the left.
    pub pad: [usize; 2],
    /// Gradient of a convolution (ONNX ConvTranspose); `weights` are laid out as for a convolution.
    pub transposed: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Pool {
    pub kind: PoolKind,
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub pad: [usize; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PoolKind {
    Max,
    /// Mean over the pixels inside the image.
    Average,
    /// Mean over the window, padding counted as zeros.
    AverageWithPadding,
}

/// Element-wise functions that a producing operator can take along.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    /// Relu is `Clamp(0, inf)`.
    Clamp(f32, f32),
    Leaky(f32),
    Sigmoid,
    Silu,
    HardSwish,
}

impl Graph {
    pub(crate) fn push(&mut self, name: &str, shape: Shape, op: Op, inputs: &[ValueId]) -> ValueId {
        if matches!(op, Op::Input) {
            self.inputs.push(self.values.len());
        }
        self.values.push(Value { name: name.into(), shape, op, inputs: inputs.to_vec() });
        self.values.len() - 1
    }

    /// How many operators read each value; an output of the region counts as one more.
    pub(crate) fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.values.len()];
        self.values.iter().flat_map(|v| &v.inputs).chain(&self.outputs).for_each(|i| uses[*i] += 1);
        uses
    }
}
