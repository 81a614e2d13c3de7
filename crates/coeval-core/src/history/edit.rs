//! Edits: what an operation does to identities and groups. The first narrow waist: operations give edits, scopes take them.

use std::sync::Arc;

use super::initial::{initial, inner_filling};
use super::recipe::{Fill, Function, OnFail, Recipe, Source, Target};
use super::scope::{NodeId, Presence, Scope, Time, Tree};
use crate::expr::{Compiled, Input};
use crate::path::Path;
use crate::schema::{Property, Type};
use crate::value::Value;

/// One change of a model's identities and groups.
#[derive(Debug, Clone)]
pub enum Edit {
    /// A property begins, with a one-way value for records born without it.
    Add {
        /// Where.
        path: Path,
        /// Its type and facets.
        property: Property,
        /// The value.
        value: OneWay,
    },
    /// A property ends, with a one-way value for records born without it.
    Remove {
        /// Where.
        path: Path,
        /// The value.
        value: OneWay,
    },
    /// A property changes its name or place and keeps its identity.
    Move {
        /// The old place.
        from: Path,
        /// The new one; objects that are missing on the way become required ones.
        to: Path,
    },
    /// An object begins around properties; it is there for older versions where one of them is.
    Enclose {
        /// Where the object begins.
        path: Path,
        /// Its facets; what is in it is said by `children`.
        property: Property,
        /// The properties that move into it, and their names there.
        children: Vec<(Path, String)>,
    },
    /// An object ends and all that is in it moves out; it is there for newer versions where one of them is.
    Dissolve {
        /// The object.
        path: Path,
        /// The names of its properties, and their new places.
        children: Vec<(String, Path)>,
    },
    /// Properties end and others begin, tied by functions both ways.
    Group {
        /// The properties that end.
        old: Vec<Path>,
        /// Those that begin, with type and facets.
        new: Vec<(Path, Property)>,
        /// How the new ones follow from the older version.
        up: Side,
        /// How the old ones follow from the newer version.
        down: Side,
    },
    /// A property's presence changes: a new epoch of the same identity.
    Facet {
        /// Where.
        path: Path,
        /// Its new facets and unchanged type.
        property: Property,
        /// What newer versions read where it is absent or null and may not be.
        up: Filling,
        /// What older versions read where it is absent or null and may not be.
        down: Filling,
    },
    /// An object, or the whole, begins or ceases to admit properties that are not declared.
    Open {
        /// The object; the top where the path is empty.
        path: Path,
        /// Whether it admits them.
        additional: bool,
    },
    /// The properties of an object are put in order.
    Arrange {
        /// The object; the top where the path is empty.
        path: Path,
        /// The names in order.
        names: Vec<String>,
    },
}

/// The value of a property for records born without it.
#[derive(Debug, Clone)]
pub enum OneWay {
    /// Its default, and for a required object the same of what is in it; else absence.
    Initial,
    /// An expression; where that gives nothing or fails, the property's default.
    Expression(Arc<Compiled>),
    /// Any computation, of one target.
    Side(Side),
}

impl From<Option<Arc<Compiled>>> for OneWay {
    fn from(value: Option<Arc<Compiled>>) -> Self {
        value.map_or(Self::Initial, Self::Expression)
    }
}

/// One direction of a group.
#[derive(Debug, Clone)]
pub struct Side {
    /// The properties that it reads; `None` stands for the element's key.
    pub inputs: Vec<Option<Path>>,
    /// The computation.
    pub function: Function,
    /// For each output, what replaces an absence that it does not admit.
    pub fills: Vec<Filling>,
    /// For each output, what happens on failure.
    pub on_fail: Vec<OnFail>,
}

/// What replaces an absence or a null: an expression, a value, or nothing.
#[derive(Debug, Clone, Default)]
pub enum Filling {
    /// Nothing.
    #[default]
    None,
    /// A constant.
    Value(Value),
    /// An expression of the side's version.
    Expression(Arc<Compiled>),
}

impl Side {
    /// Returns the side that computes each output by its expression.
    pub fn expressions(compiled: Vec<Arc<Compiled>>, fills: Vec<Filling>, on_fail: Vec<OnFail>) -> Self {
        let mut inputs = Vec::new();
        let expressions = compiled
            .into_iter()
            .map(|expression| {
                let places = place_inputs(&expression, &mut inputs);
                (expression, places)
            })
            .collect();
        Self { inputs, function: Function::Expressions(expressions), fills, on_fail }
    }

    /// Returns the side that maps one property to one by a function.
    pub fn single(path: &Path, function: Function, fill: Filling, on_fail: OnFail) -> Self {
        Self { inputs: vec![Some(path.clone())], function, fills: vec![fill], on_fail: vec![on_fail] }
    }
}

/// Adds an expression's inputs to a list and returns their places in it.
fn place_inputs(expression: &Compiled, inputs: &mut Vec<Option<Path>>) -> Vec<usize> {
    let mut places = Vec::new();
    for input in expression.inputs() {
        let path = match input {
            Input::Property(path) => Some(path.clone()),
            Input::Key => None,
        };
        places.push(inputs.iter().position(|known| *known == path).unwrap_or_else(|| {
            inputs.push(path);
            inputs.len() - 1
        }));
    }
    places
}

/// The operation that is being applied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) time: Time,
    pub(super) version: u32,
    pub(super) operation: usize,
}

impl Moment {
    pub(super) fn key(self, path: &Path) -> impl Fn(&str) -> String {
        let path = path.to_string();
        move |beneath| format!("{}@{}#{}", format!("{path}{beneath}").trim_start_matches('.'), self.version, self.operation)
    }
}

impl Scope {
    /// Applies an edit whose paths are all within this scope.
    ///
    /// The operation's check has passed, so every path exists; `None` means that it did not, a defect of the operation.
    pub(super) fn apply(&mut self, edit: &Edit, now: Moment) -> Option<()> {
        match edit {
            Edit::Add { path, property, value } => self.add(path, property, value, now),
            Edit::Remove { path, value } => self.remove(path, value, now),
            Edit::Move { from, to } => self.relocate(from, to, now),
            Edit::Enclose { path, property, children } => self.enclose(path, property, children, now),
            Edit::Dissolve { path, children } => self.dissolve(path, children, now),
            Edit::Group { old, new, up, down } => self.group(old, new, up, down, now),
            Edit::Facet { path, property, up, down } => {
                let node = self.find(path.segments(), now.time)?;
                self.facet(node, path, &self.held(path, property), up, down, now)
            }
            Edit::Open { path, additional } => {
                if path.is_root() && !self.element {
                    self.open.push((now.time, *additional));
                    return Some(());
                }
                let node = self.find(path.segments(), now.time)?;
                let mut property = Property::clone(self.nodes[node].property(now.time));
                if let Type::Object(properties) = &mut property.ty {
                    properties.additional = *additional;
                }
                self.nodes[node].types.push((now.time, Arc::new(property)));
                Some(())
            }
            Edit::Arrange { path, names } => {
                let parent = if path.is_root() { None } else { Some(self.find(path.segments(), now.time)?) };
                let named: Vec<(NodeId, String)> =
                    self.children(parent, now.time).iter().map(|c| (*c, self.nodes[*c].place(now.time).name.clone())).collect();
                let rank = |node: &NodeId| {
                    let name = named.iter().find(|(n, _)| n == node).map(|(_, name)| name);
                    names.iter().position(|n| Some(n) == name).unwrap_or(names.len())
                };
                self.arrange(parent, now.time, |children| children.sort_by_key(rank));
                Some(())
            }
        }
    }

    fn add(&mut self, path: &Path, property: &Property, value: &OneWay, now: Moment) -> Option<()> {
        let value = self.one_way(value, property, now.time)?;
        let (parent, name) = self.parent_of(path, now.time)?;
        let tree = self.grow(parent, &name, property, now.time, &now.key(path));
        self.one_way_recipe(value, tree, property, now.time, true);
        Some(())
    }

    fn remove(&mut self, path: &Path, value: &OneWay, now: Moment) -> Option<()> {
        let node = self.find(path.segments(), now.time)?;
        let property = self.property_with_children(node, now.time);
        let tree = self.tree(node, now.time);
        self.end(&tree, now.time);
        let value = self.one_way(value, &property, now.time)?;
        self.one_way_recipe(value, tree, &property, now.time, false);
        Some(())
    }

    /// The inputs, the function, the fill and the policy of a one-way value.
    fn one_way(&self, value: &OneWay, property: &Property, t: Time) -> Option<(Vec<Source>, Function, Fill, OnFail)> {
        // A following value that cannot be computed falls back to the default, where there is one.
        let fill = property.default.clone().map_or(Fill::None, Fill::Value);
        let on_fail = property.default.clone().map_or(OnFail::Quarantine, OnFail::Fallback);
        let constant = |value| (Vec::new(), Function::Constant(value), fill.clone(), on_fail.clone());
        match value {
            OneWay::Initial => Some(constant(initial(property))),
            // A constant that cannot be computed was refused by the operation's check.
            OneWay::Expression(expression) if expression.is_constant() => Some(constant(Some(expression.eval(&[]).ok()?))),
            OneWay::Expression(expression) => {
                let mut inputs = Vec::new();
                let places = place_inputs(expression, &mut inputs);
                let function = Function::Expressions(vec![(Arc::clone(expression), places)]);
                Some((self.sources(&inputs, t)?, function, fill, on_fail))
            }
            OneWay::Side(side) => {
                let mut inputs = self.sources(&side.inputs, t)?;
                let fill = self.fills(&side.fills, &mut inputs, t)?.pop().unwrap_or(Fill::None);
                let on_fail = side.on_fail.first().cloned().unwrap_or(OnFail::Quarantine);
                Some((inputs, side.function.clone(), fill, on_fail))
            }
        }
    }

    fn one_way_recipe(
        &mut self,
        (inputs, function, fill, on_fail): (Vec<Source>, Function, Fill, OnFail),
        tree: Tree,
        property: &Property,
        time: Time,
        up: bool,
    ) {
        let target = Target { tree, property: Arc::new(property.clone()), fill, on_fail };
        self.add_recipe(Recipe { deps: deps_of(&inputs), inputs, targets: vec![target], function, sticky: true, time, up });
    }

    fn group(&mut self, old: &[Path], new: &[(Path, Property)], up: &Side, down: &Side, now: Moment) -> Option<()> {
        let t = now.time;
        let mut up_inputs = self.sources(&up.inputs, t)?;
        let up_fills = self.fills(&up.fills, &mut up_inputs, t)?;
        let mut ended = Vec::new();
        for path in old {
            let node = self.find(path.segments(), t)?;
            ended.push((path, self.tree(node, t), Arc::new(self.property_with_children(node, t))));
        }
        let mut replaced = Vec::new();
        for (path, tree, _) in &ended {
            let place = self.nodes[tree.node()].place(t).clone();
            let at = self.children(place.parent, t).iter().position(|c| *c == tree.node());
            replaced.push((*path, at));
            self.end(tree, t);
        }
        let mut begun = Vec::new();
        for (path, property) in new {
            let (parent, name) = self.parent_of(path, t)?;
            let property = self.held(path, property);
            let tree = self.grow(parent, &name, &property, t, &now.key(path));
            if let Some((_, Some(at))) = replaced.iter().find(|(old, _)| *old == path) {
                // A property that replaces one of the same name takes its place in the order.
                self.arrange(parent, t, |children| {
                    if let Some(node) = children.pop() {
                        children.insert((*at).min(children.len()), node);
                    }
                });
            }
            begun.push((tree, Arc::new(property)));
        }
        let mut down_inputs = self.sources(&down.inputs, t)?;
        let down_fills = self.fills(&down.fills, &mut down_inputs, t)?;
        let targets = |trees: Vec<(Tree, Arc<Property>)>, fills: Vec<Fill>, on_fail: &[OnFail]| {
            let policies = on_fail.iter().cloned().chain(std::iter::repeat(OnFail::Reject));
            trees
                .into_iter()
                .zip(fills.into_iter().chain(std::iter::repeat(Fill::None)))
                .zip(policies)
                .map(|(((tree, property), fill), on_fail)| Target { tree, property, fill, on_fail })
                .collect::<Vec<_>>()
        };
        let recipe = |inputs: Vec<Source>, side: &Side, targets, up| Recipe {
            deps: deps_of(&inputs),
            inputs,
            targets,
            function: side.function.clone(),
            sticky: false,
            time: t,
            up,
        };
        let up_targets = targets(begun, up_fills, &up.on_fail);
        self.add_recipe(recipe(up_inputs, up, up_targets, true));
        let old_trees = ended.into_iter().map(|(_, tree, property)| (tree, property)).collect();
        let down_targets = targets(old_trees, down_fills, &down.on_fail);
        self.add_recipe(recipe(down_inputs, down, down_targets, false));
        Some(())
    }

    /// The property as it is held: an item of a list or a value of a map is there as long as the list or map has it.
    fn held(&self, path: &Path, property: &Property) -> Property {
        Property { required: property.required || (self.element && path.is_root()), ..property.clone() }
    }

    fn fills(&self, fillings: &[Filling], inputs: &mut Vec<Source>, t: Time) -> Option<Vec<Fill>> {
        let mut fills = Vec::new();
        for filling in fillings {
            fills.push(match filling {
                Filling::None => Fill::None,
                Filling::Value(value) => Fill::Value(value.clone()),
                Filling::Expression(compiled) if compiled.is_constant() => Fill::Value(compiled.eval(&[]).ok()?),
                Filling::Expression(compiled) => {
                    let mut paths = Vec::new();
                    let places = place_inputs(compiled, &mut paths);
                    let from = inputs.len();
                    inputs.extend(self.sources(&paths, t)?);
                    Fill::Expression(Arc::clone(compiled), places.into_iter().map(|p| p + from).collect())
                }
            });
        }
        Some(fills)
    }

    /// Begins a new epoch of a property. An object's epoch is a node of its lineage, and what must be in it gets one too.
    fn facet(&mut self, node: NodeId, path: &Path, property: &Property, up: &Filling, down: &Filling, now: Moment) -> Option<()> {
        let t = now.time;
        if self.nodes[node].lineage.is_none() {
            let side = |fill: &Filling| Side::single(path, Function::Identity, fill.clone(), OnFail::Reject);
            let old = vec![path.clone()];
            return self.group(&old, &[(path.clone(), property.clone())], &side(up), &side(down), now);
        }
        let epoch = self.epoch(node, property, path, now);
        for child in self.children(Some(epoch), t).to_vec() {
            let name = self.nodes[child].place(t).name.clone();
            let property = self.property_with_children(child, t);
            if property.required {
                let up = inner_filling(up, &name, &property);
                let down = inner_filling(down, &name, &property);
                self.facet(child, &path.join(&name), &property, &up, &down, now)?;
            }
        }
        Some(())
    }

    pub(super) fn parent_of(&self, path: &Path, t: Time) -> Option<(Option<NodeId>, String)> {
        if path.is_root() {
            return Some((None, String::new()));
        }
        let parent = path.parent()?;
        let node = if parent.is_root() && !self.element { None } else { Some(self.find(parent.segments(), t)?) };
        Some((node, path.last_name()?.to_owned()))
    }

    /// Ends a part of the schema: its top leaves its siblings, all of it dies.
    fn end(&mut self, tree: &Tree, t: Time) {
        let node = tree.node();
        let parent = self.nodes[node].place(t).parent;
        self.arrange(parent, t, |children| children.retain(|c| *c != node));
        let mut nodes = Vec::new();
        tree.nodes(&mut nodes);
        for node in nodes {
            self.nodes[node].end = t;
        }
    }

    fn sources(&self, inputs: &[Option<Path>], t: Time) -> Option<Vec<Source>> {
        inputs
            .iter()
            .map(|input| match input {
                None => Some(Source::Key),
                Some(path) => Some(Source::Tree(self.tree(self.find(path.segments(), t)?, t))),
            })
            .collect()
    }

    fn add_recipe(&mut self, recipe: Recipe) {
        let up = recipe.up;
        let id = self.recipes.len();
        let mut outs = Vec::new();
        for target in &recipe.targets {
            target.tree.nodes(&mut outs);
        }
        for (output, node) in outs.into_iter().enumerate() {
            let node = &mut self.nodes[node];
            if up {
                node.up = Some((id, output));
            } else {
                node.down = Some((id, output));
            }
            if let Some(lineage) = node.lineage {
                let lineage = &mut self.lineages[lineage];
                if up { lineage.up = Presence::Recipe } else { lineage.down = Presence::Recipe }
            }
        }
        self.recipes.push(recipe);
    }

    /// The property of a node with its children as they are now, not as they were when the node was born.
    pub(super) fn property_with_children(&self, node: NodeId, t: Time) -> Property {
        let mut property = Property::clone(self.nodes[node].property(t));
        if let Type::Object(properties) = &mut property.ty {
            let mut now = crate::schema::Properties::new();
            now.additional = properties.additional;
            for child in self.children(Some(node), t) {
                now.insert(&self.nodes[*child].place(t).name, self.property_with_children(*child, t));
            }
            *properties = now;
        }
        property
    }
}

fn deps_of(inputs: &[Source]) -> Vec<NodeId> {
    let mut deps = Vec::new();
    for input in inputs {
        if let Source::Tree(tree) = input {
            tree.nodes(&mut deps);
        }
    }
    let mut seen = std::collections::HashSet::new();
    deps.retain(|node| seen.insert(*node));
    deps
}
