//! Scopes: the nodes of a record, or of the elements of one list or map, over the whole sequence of operations.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::order::Order;
use super::recipe::Recipe;
use crate::path::{Path, Segment};
use crate::schema::{Property, Type};

/// A moment in the sequence of a model's operations: 0 before the first, `n` after the `n`-th.
pub type Time = u32;

/// The end of what has not ended.
pub const NEVER: Time = Time::MAX;

/// A node's number in its scope.
pub type NodeId = usize;

/// A recipe's number in its scope.
pub type RecipeId = usize;

/// A lineage's number in its scope.
pub type LineageId = usize;

/// An identity in one facet epoch: a cell that has a value in every state of a record (rules N1, N2).
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name in `_coeval`: path at birth, version and number of the operation that made it, `price@1#0`.
    pub key: String,
    /// When it came to be.
    pub born: Time,
    /// When it ended; [`NEVER`] while it lives.
    pub end: Time,
    /// Its type and facets from each moment on; what lies beneath a list may change during its life.
    pub types: Vec<(Time, Arc<Property>)>,
    /// Where it lies from each moment on.
    pub places: Vec<(Time, Place)>,
    /// How versions older than its birth compute it, and which output of the unit it is.
    pub up: Option<(RecipeId, usize)>,
    /// How versions newer than its end compute it.
    pub down: Option<(RecipeId, usize)>,
    /// The lineage of presence, if it is an object.
    pub lineage: Option<LineageId>,
    /// The nodes of its elements, where operations lie beneath a list or map.
    pub elements: Option<Box<Scope>>,
}

/// A name in a container; the top of the scope where `parent` is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The property's name; empty for an element itself.
    pub name: String,
    /// The object it lies in.
    pub parent: Option<NodeId>,
}

/// The presence nodes of one object (rule N7).
#[derive(Debug, Clone)]
pub struct Lineage {
    /// How versions older than the whole lineage see its presence.
    pub up: Presence,
    /// How versions newer than the whole lineage see it.
    pub down: Presence,
}

/// How the presence of an object follows where the object itself is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// By the recipe of its node: added or removed with a value, or part of a group.
    Recipe,
    /// Present if one of its children is: it was made around them, or they were taken out of it.
    Kids,
}

/// A part of the schema as nodes, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// A value.
    Leaf(NodeId),
    /// An object and its children in order.
    Object(NodeId, Vec<(String, Tree)>),
}

impl Tree {
    /// Returns the node at the top.
    pub fn node(&self) -> NodeId {
        match self {
            Self::Leaf(node) | Self::Object(node, _) => *node,
        }
    }

    /// Appends all nodes, the top first.
    pub fn nodes(&self, out: &mut Vec<NodeId>) {
        out.push(self.node());
        if let Self::Object(_, children) = self {
            for (_, child) in children {
                child.nodes(out);
            }
        }
    }
}

/// All nodes of a record, or of the elements of a list or map.
#[derive(Debug, Default)]
pub struct Scope {
    /// Whether the top is an element without a name instead of a record's properties.
    pub element: bool,
    /// Whether undeclared properties may lie at the top, from each moment on.
    pub open: Vec<(Time, bool)>,
    /// The nodes, in order of birth.
    pub nodes: Vec<Node>,
    /// The recipes of groups and one-way values.
    pub recipes: Vec<Recipe>,
    /// The lineages of presence.
    pub lineages: Vec<Lineage>,
    /// The moments that versions show; known when all is folded.
    exposed: Vec<Time>,
    /// The moment of the oldest version that clients may use: what had ended by then is dead.
    pub(super) floor: Time,
    /// The order of children of each container, from each moment on.
    arrangements: HashMap<Option<NodeId>, Vec<(Time, Vec<NodeId>)>>,
    /// What was worked out for a moment, kept.
    orders: Mutex<HashMap<Time, Arc<Order>>>,
}

impl Clone for Scope {
    /// Returns the same nodes and recipes; what was worked out for a moment is worked out anew.
    fn clone(&self) -> Self {
        let Self { element, open, nodes, recipes, lineages, exposed, floor, arrangements, orders: _ } = self;
        Self {
            element: *element,
            open: open.clone(),
            nodes: nodes.clone(),
            recipes: recipes.clone(),
            lineages: lineages.clone(),
            exposed: exposed.clone(),
            floor: *floor,
            arrangements: arrangements.clone(),
            orders: Mutex::default(),
        }
    }
}

impl Node {
    /// Returns whether it is shown at a moment.
    pub fn alive(&self, t: Time) -> bool {
        self.born <= t && t < self.end
    }

    /// Returns where it lies at a moment of its life.
    pub fn place(&self, t: Time) -> &Place {
        &latest(&self.places, t).1
    }

    /// Returns its type and facets at a moment of its life.
    pub fn property(&self, t: Time) -> &Arc<Property> {
        &latest(&self.types, t).1
    }

    /// Returns the moment of its life that is nearest to `t`.
    pub fn nearest(&self, t: Time) -> Time {
        t.clamp(self.born, self.end - 1)
    }
}

fn latest<T>(changes: &[(Time, T)], t: Time) -> &(Time, T) {
    // The first entry is made at birth, and nothing asks about a time before it.
    &changes[changes.partition_point(|(from, _)| *from <= t).saturating_sub(1)]
}

impl Scope {
    /// Returns the children of a container at a moment, in order.
    pub fn children(&self, parent: Option<NodeId>, t: Time) -> &[NodeId] {
        let Some(changes) = self.arrangements.get(&parent) else { return &[] };
        let at = changes.partition_point(|(from, _)| *from <= t);
        if at == 0 { &[] } else { &changes[at - 1].1 }
    }

    /// Changes the order of children of a container from a moment on.
    pub(super) fn arrange(&mut self, parent: Option<NodeId>, t: Time, change: impl FnOnce(&mut Vec<NodeId>)) {
        let changes = self.arrangements.entry(parent).or_default();
        match changes.last_mut() {
            Some((from, children)) if *from == t => change(children),
            last => {
                let mut children = last.map(|(_, children)| children.clone()).unwrap_or_default();
                change(&mut children);
                changes.push((t, children));
            }
        }
    }

    /// Returns whether a value follows from the key or number of the element.
    pub fn reads_key(&self) -> bool {
        self.recipes.iter().any(Recipe::reads_key)
    }

    /// Returns whether undeclared properties may lie at the top.
    pub fn admits_undeclared(&self, t: Time) -> bool {
        if self.open.is_empty() { !self.element } else { latest(&self.open, t).1 }
    }

    /// Notes which moments versions show, in what lies beneath lists and maps too.
    pub(super) fn expose(&mut self, times: &[Time]) {
        self.exposed = times.to_vec();
        for elements in self.nodes.iter_mut().filter_map(|node| node.elements.as_deref_mut()) {
            elements.expose(times);
        }
    }

    /// Returns whether a version shows the moment, so that documents are written as it has them.
    pub(crate) fn is_exposed(&self, t: Time) -> bool {
        self.exposed.binary_search(&t).is_ok()
    }

    /// Returns the node at a path of names at a moment; the empty path is an element itself.
    pub fn find(&self, path: &[Segment], t: Time) -> Option<NodeId> {
        let mut node = if self.element { Some(*self.children(None, t).first()?) } else { None };
        for segment in path {
            let Segment::Name(name) = segment else { return None };
            node = Some(*self.children(node, t).iter().find(|n| self.nodes[**n].place(t).name == *name)?);
        }
        node
    }

    /// Returns the part of the schema at a node at a moment.
    pub fn tree(&self, node: NodeId, t: Time) -> Tree {
        if self.nodes[node].lineage.is_none() {
            return Tree::Leaf(node);
        }
        let children = self.children(Some(node), t);
        Tree::Object(node, children.iter().map(|c| (self.nodes[*c].place(t).name.clone(), self.tree(*c, t))).collect())
    }

    /// Returns what was worked out for a moment, working it out at the first call.
    pub fn order(&self, t: Time) -> Arc<Order> {
        // A poisoned lock only means that another thread panicked between two lookups; the map itself is whole.
        let known = self.orders.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(&t).cloned();
        if let Some(order) = known {
            return order;
        }
        let order = Arc::new(Order::new(self, t));
        let mut orders = self.orders.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(orders.entry(t).or_insert(order))
    }

    /// Returns the node and the scope at a path that may lead through lists and maps, and the names within that scope.
    pub(super) fn descend<'a>(&'a mut self, path: &Path, t: Time) -> Option<(&'a mut Self, Path)> {
        let segments = path.segments();
        let Some(at) = segments.iter().position(|s| !matches!(s, Segment::Name(_))) else {
            return Some((self, path.clone()));
        };
        let node = self.find(&segments[..at], t)?;
        let rest = Path::from(segments[at + 1..].to_vec());
        self.elements_of(node, t)?.descend(&rest, t)
    }

    /// Returns the scope of a list's or map's elements, made at the first operation beneath it.
    fn elements_of(&mut self, node: NodeId, t: Time) -> Option<&mut Self> {
        let node = &mut self.nodes[node];
        if node.elements.is_none() {
            let property = Arc::clone(node.property(t));
            let element = match &property.ty {
                Type::Array { items, .. } => items,
                Type::Map { values } => values,
                _ => return None,
            };
            let mut scope = Self { element: true, ..Self::default() };
            let element = Property { required: true, ..(**element).clone() };
            scope.grow(None, "", &element, node.born, &|path| format!("{path}@{}", node.key));
            node.elements = Some(Box::new(scope));
        }
        node.elements.as_deref_mut()
    }

    /// Makes the nodes of a property, objects with all that they hold, and returns them as a tree.
    pub(super) fn grow(
        &mut self,
        parent: Option<NodeId>,
        name: &str,
        property: &Property,
        t: Time,
        key: &dyn Fn(&str) -> String,
    ) -> Tree {
        let object = match &property.ty {
            Type::Object(properties) => Some(properties),
            _ => None,
        };
        let lineage = object.map(|_| {
            self.lineages.push(Lineage { up: Presence::Recipe, down: Presence::Recipe });
            self.lineages.len() - 1
        });
        let own = self.add_node(parent, name, property, t, key(""), lineage);
        self.arrange(parent, t, |children| children.push(own));
        let Some(properties) = object else { return Tree::Leaf(own) };
        let children = properties.iter().map(|(child, property)| {
            let beneath = |path: &str| {
                let child = Path::name(child).to_string();
                key(&if path.is_empty() { format!(".{child}") } else { format!(".{child}{path}") })
            };
            (child.to_owned(), self.grow(Some(own), child, property, t, &beneath))
        });
        Tree::Object(own, children.collect())
    }

    /// Makes one node, without putting it among its siblings.
    pub(super) fn add_node(
        &mut self,
        parent: Option<NodeId>,
        name: &str,
        property: &Property,
        t: Time,
        key: String,
        lineage: Option<LineageId>,
    ) -> NodeId {
        self.nodes.push(Node {
            key,
            born: t,
            end: NEVER,
            types: vec![(t, Arc::new(property.clone()))],
            places: vec![(t, Place { name: name.to_owned(), parent })],
            up: None,
            down: None,
            lineage,
            elements: None,
        });
        self.nodes.len() - 1
    }
}
