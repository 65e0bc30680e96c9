//! The weights that travel with the crate (feature `bundled-model`).

use super::{Model, ModelOptions};
use crate::{Error, Result};

#[cfg(feature = "bundled-model")]
pub(super) static BUNDLED: &[u8] = include_bytes!("../../model/covmap.onnx");

impl Model {
    /// The bundled model. Its terms of use are those of `LICENSE-WEIGHTS`, not of the code.
    ///
    /// # Errors
    /// `Parameter` in a build without the feature `bundled-model`.
    #[cfg(feature = "bundled-model")]
    pub fn bundled(options: &ModelOptions) -> Result<Self> {
        Self::load(bytes::Bytes::from_static(BUNDLED), options).map_err(|e| Error::Internal(format!("bundled model: {e}")))
    }

    /// Not in this build.
    ///
    /// # Errors
    /// Always `Parameter`.
    #[cfg(not(feature = "bundled-model"))]
    pub fn bundled(_: &ModelOptions) -> Result<Self> {
        Err(Error::Parameter("this build has no bundled model (feature bundled-model); name a model file".into()))
    }
}
