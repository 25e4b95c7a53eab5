//! Names of runs: adjective, animal, eight hexadecimal digits. Easy to say aloud; unique in practice, not by promise.

use uuid::Uuid;

const ADJECTIVES: [&str; 64] = [
    "able", "amber", "ample", "apt", "bold", "brave", "bright", "brisk", "calm", "candid", "clever", "cosmic", "cosy", "crisp",
    "daring", "deft", "eager", "early", "fair", "fast", "fine", "fond", "frank", "fresh", "gentle", "glad", "golden", "grand",
    "happy", "hardy", "honest", "humble", "jolly", "keen", "kind", "lively", "loyal", "lucid", "lucky", "mellow", "merry",
    "modest", "neat", "noble", "patient", "plucky", "polite", "prime", "proud", "quick", "quiet", "rapid", "ready", "robust",
    "serene", "sharp", "silver", "smooth", "steady", "sunny", "tidy", "vivid", "warm", "wise",
];

const ANIMALS: [&str; 64] = [
    "alpaca", "ant", "badger", "bat", "bear", "beaver", "bee", "bison", "boar", "camel", "cat", "cobra", "condor", "coyote",
    "crane", "crow", "deer", "dingo", "dolphin", "dove", "duck", "eagle", "elk", "falcon", "ferret", "finch", "fox", "gecko",
    "gibbon", "goat", "goose", "hare", "hawk", "heron", "horse", "ibex", "jackal", "koala", "lark", "lemur", "lion", "llama",
    "lynx", "magpie", "marten", "mole", "moose", "moth", "newt", "ocelot", "otter", "owl", "panda", "parrot", "puffin", "rabbit",
    "raven", "robin", "seal", "shrew", "stork", "tapir", "toad", "wolf",
];

/// A new name, from the system's random source.
pub(crate) fn run_name() -> String {
    // Bytes 0 to 5 of a version 4 UUID are random throughout.
    let random = Uuid::new_v4();
    let bytes = random.as_bytes();
    let adjective = ADJECTIVES[usize::from(bytes[0]) % ADJECTIVES.len()];
    let animal = ANIMALS[usize::from(bytes[1]) % ANIMALS.len()];
    let digits = u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]);
    format!("{adjective}-{animal}-{digits:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_three_parts_and_differ() {
        let names: std::collections::HashSet<String> = (0..1000).map(|_| run_name()).collect();
        assert_eq!(names.len(), 1000);
        for name in names {
            let parts: Vec<&str> = name.split('-').collect();
            assert_eq!(parts.len(), 3, "{name}");
            assert!(parts[2].len() == 8 && parts[2].chars().all(|c| c.is_ascii_hexdigit()), "{name}");
            assert!(parts[..2].iter().all(|part| part.chars().all(|c| c.is_ascii_lowercase())), "{name}");
        }
    }
}
