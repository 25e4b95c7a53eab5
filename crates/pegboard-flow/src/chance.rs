//! Chance, as a number. The one place where this crate rolls dice for delays.

use uuid::Uuid;

/// From 0 to below 1, from the system's random source.
pub(crate) fn chance() -> f64 {
    // Bytes 0 to 3 of a version 4 UUID are random throughout.
    let random = Uuid::new_v4();
    let bytes = random.as_bytes();
    f64::from(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lie_between_zero_and_one_and_differ() {
        let numbers: Vec<f64> = (0..100).map(|_| chance()).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        assert!(numbers.iter().any(|number| *number < 0.5) && numbers.iter().any(|number| *number >= 0.5));
    }
}
