# `just` lists these. Everything here is also plain cargo.

# Format, lint, check.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Mend what a machine can mend.
fix:
    cargo fmt --all
    cargo clippy --workspace --all-targets --fix --allow-dirty

# Every test: Rust, Python, the real binary.
test:
    cargo test --workspace

# The demo.
run:
    cargo run --release -- demo

# Speed, side by side with the peers.
bench:
    benches/run
