"""The benchmarks behind `benches/run`: what is measured, against what, and how it is told."""
