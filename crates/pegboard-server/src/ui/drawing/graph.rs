//! A graph in layers, from left to right: what needs nothing stands left, and every arrow goes right.
//!
//! Arrows over several layers pass through a narrow place of their own in each, so that they go around what stands there. Places
//! in a layer are ordered by the middle of their neighbours, back and forth a few times. Linear in what is drawn; what is too
//! large to be looked at is not drawn at all.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// Size of a node, and what is between nodes, in pixels.
const WIDTH: f64 = 196.0;
const HEIGHT: f64 = 66.0;
const BETWEEN_LAYERS: f64 = 46.0;
const BETWEEN_NODES: f64 = 18.0;
/// An arrow that passes is so high.
const PASSING: f64 = 10.0;
const MARGIN: f64 = 4.0;
/// More nodes than this are a list, not a picture.
const MOST_NODES: usize = 300;
/// More places than this, passing arrows included, neither.
const MOST_PLACES: usize = 4000;
const SWEEPS: usize = 4;

/// A stage: its name, and whose results it receives.
#[derive(Deserialize)]
pub(super) struct Node {
    name: String,
    #[serde(default)]
    depends_on: Vec<String>,
}

/// Artifacts, and pairs of places in them.
#[derive(Deserialize)]
pub(super) struct Lineage {
    pub(super) artifacts: Vec<serde_json::Value>,
    pub(super) steps: Vec<(usize, usize)>,
}

/// Where everything stands, in pixels.
#[derive(Debug, Serialize)]
pub(super) struct Drawing {
    width: f64,
    height: f64,
    node_width: f64,
    node_height: f64,
    /// The upper left corner of each node, in order.
    nodes: Vec<Point>,
    arrows: Vec<Arrow>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Point {
    x: f64,
    y: f64,
}

#[derive(Debug, Serialize)]
struct Arrow {
    from: usize,
    to: usize,
    /// SVG's words.
    path: String,
}

/// Stages and their dependencies; none when there are too many. Of two stages with one name the later counts.
pub(super) fn drawn(nodes: &[Node]) -> Option<Drawing> {
    let places: HashMap<&str, usize> = nodes.iter().enumerate().map(|(place, node)| (node.name.as_str(), place)).collect();
    let mut edges = Vec::new();
    for (to, node) in nodes.iter().enumerate() {
        for name in &node.depends_on {
            if let Some(from) = places.get(name.as_str()).filter(|from| **from != to) {
                edges.push((*from, to));
            }
        }
    }
    placed(nodes.len(), &edges)
}

/// So many nodes with these arrows between them; none when there are too many.
pub(super) fn placed(count: usize, edges: &[(usize, usize)]) -> Option<Drawing> {
    if count == 0 || count > MOST_NODES {
        return None;
    }
    let mut edges: Vec<_> = edges.iter().copied().filter(|(from, to)| *from < count && *to < count && from != to).collect();
    edges.sort_unstable();
    edges.dedup();
    let layer_of = layers(count, &edges);
    let mut grid = Grid::new(&layer_of);
    let mut ways = Vec::with_capacity(edges.len());
    for (from, to) in &edges {
        ways.push(grid.way(*from, *to, &layer_of)?);
    }
    for _ in 0..SWEEPS {
        grid.order();
    }
    let y = grid.heights();
    let x = |layer: usize| MARGIN + layer as f64 * (WIDTH + BETWEEN_LAYERS);
    let nodes: Vec<Point> = (0..count).map(|node| Point { x: x(layer_of[node]), y: round(y[node] - HEIGHT / 2.0) }).collect();
    let arrows = edges.iter().zip(&ways).map(|((from, to), way)| {
        let mut at = Point { x: nodes[*from].x + WIDTH, y: round(y[*from]) };
        let mut path = format!("M{} {}", at.x, at.y);
        for (step, place) in way.iter().enumerate() {
            let layer = layer_of[*from] + 1 + step;
            let passed = Point { x: x(layer), y: round(y[*place]) };
            path.push_str(&curve(at, passed));
            at = Point { x: passed.x + WIDTH, ..passed };
            path.push_str(&format!("H{}", at.x));
        }
        path.push_str(&curve(at, Point { x: nodes[*to].x, y: round(y[*to]) }));
        Arrow { from: *from, to: *to, path }
    });
    let arrows = arrows.collect();
    let last = layer_of.iter().max().copied().unwrap_or(0);
    let lowest = y.iter().zip(&grid.height).map(|(y, height)| y + height / 2.0).fold(0.0, f64::max);
    Some(Drawing {
        width: x(last) + WIDTH + MARGIN,
        height: round(lowest + MARGIN),
        node_width: WIDTH,
        node_height: HEIGHT,
        nodes,
        arrows,
    })
}

fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn curve(from: Point, to: Point) -> String {
    let bend = round((from.x + to.x) / 2.0);
    format!("C{bend} {} {bend} {} {} {}", from.y, to.y, to.x, to.y)
}

/// How many steps each node is from the left, at most. What stands in a circle stands behind everything else.
fn layers(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let (mut waits, mut next) = (vec![0; count], vec![Vec::new(); count]);
    for (from, to) in edges {
        waits[*to] += 1;
        next[*from].push(*to);
    }
    let mut layer = vec![0; count];
    let mut ready: Vec<usize> = (0..count).filter(|node| waits[*node] == 0).collect();
    let mut done = 0;
    while let Some(node) = ready.get(done).copied() {
        done += 1;
        for to in &next[node] {
            layer[*to] = layer[*to].max(layer[node] + 1);
            waits[*to] -= 1;
            if waits[*to] == 0 {
                ready.push(*to);
            }
        }
    }
    let behind = ready.iter().map(|node| layer[*node] + 1).max().unwrap_or(0);
    for node in 0..count {
        if waits[node] > 0 {
            layer[node] = behind;
        }
    }
    layer
}

/// Places by layer: nodes first, passing arrows behind them.
struct Grid {
    layers: Vec<Vec<usize>>,
    height: Vec<f64>,
    left: Vec<Vec<usize>>,
    right: Vec<Vec<usize>>,
}

impl Grid {
    fn new(layer_of: &[usize]) -> Self {
        let mut layers = vec![Vec::new(); layer_of.iter().max().map_or(0, |last| last + 1)];
        for (node, layer) in layer_of.iter().enumerate() {
            layers[*layer].push(node);
        }
        let count = layer_of.len();
        Self { layers, height: vec![HEIGHT; count], left: vec![Vec::new(); count], right: vec![Vec::new(); count] }
    }

    /// The places through which an arrow passes; none when there are too many. Arrows of a circle go straight.
    fn way(&mut self, from: usize, to: usize, layer_of: &[usize]) -> Option<Vec<usize>> {
        let mut way = Vec::new();
        if layer_of[to] <= layer_of[from] {
            return Some(way);
        }
        let mut before = from;
        for layer in layer_of[from] + 1..layer_of[to] {
            let place = self.height.len();
            if place >= MOST_PLACES {
                return None;
            }
            self.height.push(PASSING);
            self.left.push(vec![before]);
            self.right.push(Vec::new());
            self.right[before].push(place);
            self.layers[layer].push(place);
            way.push(place);
            before = place;
        }
        self.right[before].push(to);
        self.left[to].push(before);
        Some(way)
    }

    /// One sweep to the right and one to the left.
    fn order(&mut self) {
        let mut rank = vec![0.0; self.height.len()];
        let positions = |layer: &[usize], rank: &mut Vec<f64>| {
            layer.iter().enumerate().for_each(|(position, place)| rank[*place] = position as f64);
        };
        self.layers.iter().for_each(|layer| positions(layer, &mut rank));
        let last = self.layers.len();
        for (layer, neighbours) in
            (1..last).map(|layer| (layer, &self.left)).chain((0..last).rev().map(|layer| (layer, &self.right)))
        {
            let wanted = |place: usize| mean(&neighbours[place], &rank).unwrap_or(rank[place]);
            let mut wishes: Vec<(f64, usize)> = self.layers[layer].iter().map(|place| (wanted(*place), *place)).collect();
            wishes.sort_by(|one, other| one.0.total_cmp(&other.0));
            self.layers[layer] = wishes.into_iter().map(|(_, place)| place).collect();
            positions(&self.layers[layer], &mut rank);
        }
    }

    /// The middle of each place: near the middle of its neighbours, without covering another.
    fn heights(&self) -> Vec<f64> {
        let mut y = vec![0.0; self.height.len()];
        for layer in &self.layers {
            let mut at = 0.0;
            for place in layer {
                y[*place] = at + self.height[*place] / 2.0;
                at += self.height[*place] + BETWEEN_NODES;
            }
            let middle = (at - BETWEEN_NODES) / 2.0;
            layer.iter().for_each(|place| y[*place] -= middle);
        }
        for sweep in 0..SWEEPS * 2 {
            let neighbours = if sweep % 2 == 0 { &self.left } else { &self.right };
            for layer in &self.layers {
                let wanted: Vec<f64> = layer.iter().map(|place| mean(&neighbours[*place], &y).unwrap_or(y[*place])).collect();
                self.settle(layer, &wanted, &mut y);
            }
        }
        let highest = y.iter().zip(&self.height).map(|(y, height)| y - height / 2.0).fold(f64::INFINITY, f64::min);
        y.iter_mut().for_each(|y| *y += MARGIN - highest);
        y
    }

    /// As near to the wishes as order and distances allow: downwards first, then all of them moved by what that went too far.
    fn settle(&self, layer: &[usize], wanted: &[f64], y: &mut [f64]) {
        let mut lowest = f64::NEG_INFINITY;
        for (place, wish) in layer.iter().zip(wanted) {
            let half = self.height[*place] / 2.0;
            y[*place] = wish.max(lowest + half);
            lowest = y[*place] + half + BETWEEN_NODES;
        }
        let too_far: f64 =
            layer.iter().zip(wanted).map(|(place, wish)| y[*place] - wish).sum::<f64>() / layer.len().max(1) as f64;
        layer.iter().for_each(|place| y[*place] -= too_far);
    }
}

fn mean(places: &[usize], of: &[f64]) -> Option<f64> {
    (!places.is_empty()).then(|| places.iter().map(|place| of[*place]).sum::<f64>() / places.len() as f64)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn nodes(stages: &[(&str, &[&str])]) -> Vec<Node> {
        let node = |(name, needs): &(&str, &[&str])| Node {
            name: (*name).to_owned(),
            depends_on: needs.iter().map(|need| (*need).to_owned()).collect(),
        };
        stages.iter().map(node).collect()
    }

    fn apart(drawing: &Drawing) {
        for (position, one) in drawing.nodes.iter().enumerate() {
            assert!(one.x >= 0.0 && one.y >= 0.0 && one.x + WIDTH <= drawing.width && one.y + HEIGHT <= drawing.height);
            for other in &drawing.nodes[position + 1..] {
                assert!((one.x - other.x).abs() >= WIDTH || (one.y - other.y).abs() >= HEIGHT, "{one:?} covers {other:?}");
            }
        }
    }

    #[test]
    fn every_arrow_goes_right_and_nothing_covers_another() {
        let stages: &[(&str, &[&str])] = &[
            ("grid", &[]),
            ("prepare", &[]),
            ("train", &["grid", "prepare"]),
            ("evaluate", &["train", "prepare"]),
            ("choose", &["evaluate"]),
            ("publish", &["choose", "prepare", "nobody", "publish"]),
        ];
        let drawing = drawn(&nodes(stages)).unwrap();
        assert_eq!(drawing.arrows.len(), 7);
        for arrow in &drawing.arrows {
            assert!(drawing.nodes[arrow.from].x < drawing.nodes[arrow.to].x);
        }
        apart(&drawing);
        // A chain is a straight line.
        let chain = drawn(&nodes(&[("a", &[]), ("b", &["a"]), ("c", &["b"])])).unwrap();
        assert!(chain.nodes.iter().all(|node| (node.y - chain.nodes[0].y).abs() < 0.2), "{chain:?}");
    }

    #[test]
    fn circles_and_crowds_are_no_trouble() {
        let circle = drawn(&nodes(&[("a", &["b"]), ("b", &["a"]), ("c", &[])])).unwrap();
        apart(&circle);
        let begun = Instant::now();
        let all: Vec<(usize, usize)> = (0..MOST_NODES).flat_map(|to| (0..to).map(move |from| (from, to))).collect();
        assert!(placed(MOST_NODES, &all).is_none());
        let wide: Vec<(usize, usize)> = (1..MOST_NODES).map(|to| (to / 2, to)).collect();
        apart(&placed(MOST_NODES, &wide).unwrap());
        assert!(placed(MOST_NODES + 1, &[]).is_none() && placed(0, &[]).is_none());
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}
