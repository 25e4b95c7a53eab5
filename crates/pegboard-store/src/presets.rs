//! How presets are stored.

use pegboard_model::HubId;

/// What a preset may take the place of, among those of its name for the same project and plugin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replaces {
    /// Whatever is there.
    Anything,
    /// Nothing: it is new.
    Nothing,
    /// The one with this id, which the writer saw.
    This(HubId),
}
