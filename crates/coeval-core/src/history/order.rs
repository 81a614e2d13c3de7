//! The order of evaluation at a moment: which nodes are shown, how each hidden one follows from them, and which container
//! must be there for it (rules N5, N7). Worked out once for each moment, before any record.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::scope::{Node, NodeId, Presence, RecipeId, Scope, Time};
use crate::mutant::{self, Mutant};
use crate::value::Text;

/// What is shown at a moment and how the rest follows.
#[derive(Debug)]
pub struct Order {
    /// The moment.
    pub time: Time,
    /// The shown nodes, parents before children, in the order of the schema.
    pub shown: Vec<NodeId>,
    /// The shown nodes as they nest.
    pub shape: Shape,
    /// The hidden nodes, each after all that it depends on.
    pub hidden: Vec<Hidden>,
    /// For each node, its place in `hidden`; `None` for a shown one.
    pub index: Vec<Option<usize>>,
}

/// How one hidden node follows.
#[derive(Debug)]
pub struct Hidden {
    /// The node.
    pub node: NodeId,
    /// Everything that it is computed from, the gate excepted.
    pub deps: Vec<NodeId>,
    /// The computation.
    pub rule: HiddenRule,
    /// Whether a value that differs from the rule's stays whatever the sources do.
    pub sticky: bool,
    /// What must be there for it; `None` where it lies at the top, or in what is always there.
    pub gate: Option<Gate>,
}

/// The computation of a hidden node.
#[derive(Debug)]
pub enum HiddenRule {
    /// One output of a recipe.
    Recipe(RecipeId, usize),
    /// An object whose presence another node of its lineage decides, or one of its children.
    Lineage {
        /// The deciding node.
        edge: NodeId,
        /// The children that this node ever had.
        kids: Vec<NodeId>,
    },
    /// An object that is there if a child is, or always.
    Kids {
        /// Whether it is required and so always there.
        always: bool,
    },
}

/// What must be there for a hidden child of an object to have a value of its own accord (rule N7).
#[derive(Debug, Clone)]
pub struct Gate {
    /// The node of the object's lineage that is shown.
    pub edge: Option<NodeId>,
    /// The hidden node of the lineage that has a value of its own.
    pub born: Option<NodeId>,
    /// Shown nodes from which a child of the object would be computed.
    pub sources: Vec<NodeId>,
    /// Whether the object is always there.
    pub always: bool,
    /// The innermost shown object that it lies in, however deep; a value of its own goes with it.
    pub anchor: Option<NodeId>,
}

impl Gate {
    /// Returns everything that the gate looks at.
    pub fn deps(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.edge.into_iter().chain(self.born).chain(self.sources.iter().copied())
    }
}

impl Order {
    pub(super) fn new(scope: &Scope, time: Time) -> Self {
        let mut shown = Vec::new();
        let shape = Shape::new(scope, None, time, &mut shown);
        let mut index = vec![None; scope.nodes.len()];
        let mut work = Work { scope, time, family: Family::new(scope), rules: HashMap::new() };
        for (id, node) in scope.nodes.iter().enumerate().filter(|(_, n)| !n.alive(time)) {
            let rule = work.rule(id, node);
            work.rules.insert(id, rule);
        }
        let gates: HashMap<NodeId, Gate> = work.rules.keys().filter_map(|id| Some((*id, work.gate(*id)?))).collect();
        let mut hidden = Vec::new();
        let mut ids: Vec<NodeId> = work.rules.keys().copied().collect();
        ids.sort_unstable();
        let mut sorter = Sorter { rules: &work.rules, gates: &gates, done: HashSet::new(), sorted: Vec::new() };
        for id in ids {
            sorter.visit(id);
        }
        let sorted = sorter.sorted;
        let mut rules = work.rules;
        let mut gates = gates;
        for id in sorted {
            if let Some((rule, deps, sticky)) = rules.remove(&id) {
                index[id] = Some(hidden.len());
                hidden.push(Hidden { node: id, deps, rule, sticky, gate: gates.remove(&id) });
            }
        }
        Self { time, shown, shape, hidden, index }
    }
}

/// The properties of a record or an object at a moment, in the order of the schema.
#[derive(Debug, Default)]
pub struct Shape {
    /// The properties.
    pub entries: Vec<Entry>,
    names: HashMap<String, usize>,
}

/// One property of a shape.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: Text,
    /// Its node.
    pub node: NodeId,
    /// What is in it, if it is an object.
    pub shape: Option<Shape>,
}

impl Shape {
    fn new(scope: &Scope, parent: Option<NodeId>, t: Time, shown: &mut Vec<NodeId>) -> Self {
        let mut shape = Self::default();
        for id in scope.children(parent, t) {
            shown.push(*id);
            let node = &scope.nodes[*id];
            let name = &node.place(t).name;
            let inner = node.lineage.map(|_| Self::new(scope, Some(*id), t, shown));
            shape.names.insert(name.clone(), shape.entries.len());
            shape.entries.push(Entry { name: name.as_str().into(), node: *id, shape: inner });
        }
        shape
    }

    /// Returns the place of a property in the order of the schema.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }
}

type Ruled = (HiddenRule, Vec<NodeId>, bool);

/// Which nodes were ever children of an object, and which belong to one lineage.
struct Family {
    kids: HashMap<NodeId, BTreeSet<NodeId>>,
    lineages: Vec<Vec<NodeId>>,
}

impl Family {
    fn new(scope: &Scope) -> Self {
        let mut kids: HashMap<NodeId, BTreeSet<NodeId>> = HashMap::new();
        let mut lineages = vec![Vec::new(); scope.lineages.len()];
        for (id, node) in scope.nodes.iter().enumerate() {
            // A place that was taken at the moment of the node's end was never seen.
            for (_, place) in node.places.iter().filter(|(from, _)| *from < node.end) {
                if let Some(parent) = place.parent {
                    kids.entry(parent).or_default().insert(id);
                }
            }
            if let Some(lineage) = node.lineage {
                lineages[lineage].push(id);
            }
        }
        Self { kids, lineages }
    }

    fn kids(&self, container: NodeId) -> Vec<NodeId> {
        self.kids.get(&container).map(|kids| kids.iter().copied().collect()).unwrap_or_default()
    }
}

struct Work<'a> {
    scope: &'a Scope,
    time: Time,
    family: Family,
    rules: HashMap<NodeId, Ruled>,
}

impl Work<'_> {
    /// The node of a lineage that decides about presence: the one that is shown, else the nearest.
    fn edge(&self, lineage: usize) -> NodeId {
        let nodes = &self.family.lineages[lineage];
        let node = |id: NodeId| &self.scope.nodes[id];
        let shown = nodes.iter().copied().find(|id| node(*id).alive(self.time));
        let later = || nodes.iter().copied().filter(|id| node(*id).born > self.time).min_by_key(|id| node(*id).born);
        let earlier = || nodes.iter().copied().max_by_key(|id| node(*id).end);
        shown.or_else(later).or_else(earlier).unwrap_or_default()
    }

    fn lineage_kids(&self, lineage: usize) -> Vec<NodeId> {
        let all: BTreeSet<NodeId> = self.family.lineages[lineage].iter().flat_map(|id| self.family.kids(*id)).collect();
        all.into_iter().collect()
    }

    fn rule(&self, id: NodeId, node: &Node) -> Ruled {
        let upward = node.born > self.time;
        let by_recipe = || {
            let recipe = if upward { node.up } else { node.down };
            recipe.map(|(recipe, output)| {
                let known = &self.scope.recipes[recipe];
                let sticky = known.sticky && (known.deps.is_empty() || !mutant::is(Mutant::FollowsForever));
                (HiddenRule::Recipe(recipe, output), known.deps.clone(), sticky)
            })
        };
        let kids = || {
            let kids = self.family.kids(id);
            let always = node.property(node.nearest(self.time)).required;
            (HiddenRule::Kids { always }, kids, false)
        };
        let Some(lineage) = node.lineage else {
            // Every leaf that is born or ends has a recipe; the history is built so.
            return by_recipe().unwrap_or_else(kids);
        };
        let edge = self.edge(lineage);
        if edge != id {
            let own = self.family.kids(id);
            let mut deps = vec![edge];
            deps.extend(&own);
            // The other children of the lineage only wake the node up.
            deps.extend(self.lineage_kids(lineage).into_iter().filter(|kid| !own.contains(kid)));
            return (HiddenRule::Lineage { edge, kids: own }, deps, false);
        }
        let presence = if upward { self.scope.lineages[lineage].up } else { self.scope.lineages[lineage].down };
        match presence {
            Presence::Kids => kids(),
            Presence::Recipe => by_recipe().unwrap_or_else(kids),
        }
    }

    /// The container that a hidden node lies in at the moment of its life nearest to this one.
    fn container(&self, id: NodeId) -> Option<NodeId> {
        let node = &self.scope.nodes[id];
        node.place(node.nearest(self.time)).parent
    }

    fn gate(&self, id: NodeId) -> Option<Gate> {
        self.gate_of(self.container(id)?)
    }

    fn gate_of(&self, container: NodeId) -> Option<Gate> {
        let node = &self.scope.nodes[container];
        let lineage = node.lineage?;
        let edge = self.edge(lineage);
        let edge_node = &self.scope.nodes[edge];
        let shown = edge_node.alive(self.time);
        let hidden_rule = (!shown).then(|| self.rules.get(&edge)).flatten();
        let by_kids = matches!(hidden_rule, Some((HiddenRule::Kids { .. }, ..)));
        let property = node.property(node.nearest(self.time));
        // Where a child implies it, a required object is never null; where another node of its lineage decides, it may be.
        let always = property.required && (by_kids || edge != container && !property.nullable);
        if always && let Some(outer) = self.container(container) {
            // What is always there in something is there when that is.
            return self.gate_of(outer);
        }
        let sticky_kids: HashSet<NodeId> = self
            .lineage_kids(lineage)
            .into_iter()
            .filter(|kid| self.rules.get(kid).is_some_and(|(_, _, sticky)| *sticky))
            .collect();
        // Where a group decides whether the object is there, what the group reads says no more about it.
        let grouped = matches!(hidden_rule, Some((HiddenRule::Recipe(..), _, false)));
        let mut sources = BTreeSet::new();
        for kid in self.family.kids(container).into_iter().filter(|_| !grouped) {
            let mut reached = HashSet::new();
            self.reach(kid, &mut reached);
            if reached.is_disjoint(&sticky_kids) {
                sources.extend(reached.into_iter().filter(|node| !self.rules.contains_key(node)));
            }
        }
        sources.remove(&edge);
        let born = matches!(hidden_rule, Some((HiddenRule::Recipe(..), ..))).then_some(edge);
        let anchor = self.anchor(container);
        Some(Gate { edge: shown.then_some(edge), born, sources: sources.into_iter().collect(), always, anchor })
    }

    /// The innermost shown object that what is in an object lies in.
    fn anchor(&self, mut container: NodeId) -> Option<NodeId> {
        loop {
            let edge = self.edge(self.scope.nodes[container].lineage?);
            if self.scope.nodes[edge].alive(self.time) {
                return Some(edge);
            }
            container = self.container(edge)?;
        }
    }

    /// Everything that a node is computed from, itself included.
    fn reach(&self, id: NodeId, seen: &mut HashSet<NodeId>) {
        if seen.insert(id)
            && let Some((_, deps, _)) = self.rules.get(&id)
        {
            for dep in deps {
                self.reach(*dep, seen);
            }
        }
    }
}

/// Puts hidden nodes after what they depend on. The rules give no cycle: what a node needs lies nearer to the moment (N5).
struct Sorter<'a> {
    rules: &'a HashMap<NodeId, Ruled>,
    gates: &'a HashMap<NodeId, Gate>,
    done: HashSet<NodeId>,
    sorted: Vec<NodeId>,
}

impl Sorter<'_> {
    fn visit(&mut self, id: NodeId) {
        let Some((_, deps, _)) = self.rules.get(&id) else { return };
        if !self.done.insert(id) {
            return;
        }
        for dep in deps {
            self.visit(*dep);
        }
        if let Some(born) = self.gates.get(&id).and_then(|gate| gate.born) {
            self.visit(born);
        }
        self.sorted.push(id);
    }
}
