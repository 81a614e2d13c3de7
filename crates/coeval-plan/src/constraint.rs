//! What versions demand of rows together: indexes, uniqueness and references, on the columns in which they show what it is about.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use coeval_core::Model;
use coeval_core::history::{NodeId, Order};
use coeval_core::path::{Path, Segment};
use coeval_core::schema::{Policy, Property, Rule, Type};

use crate::table::{Held, Table, Unsuitable, View, fit};

/// An index or a reference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Demand {
    Index { columns: Vec<String>, unique: bool },
    Reference { column: String, model: String },
}

/// Returns what is demanded while a version is the newest, by the names of the indexes and constraints that see to it.
///
/// The version demands it of all. Indexes of older versions that are live stay beside it, on the columns in which these show what it is
/// about, or showed it and may again: their clients name it in `ON CONFLICT`, and read by it. They stay until a newer version takes
/// them back: see [`Rival::takes_back`].
///
/// # Errors
/// What a table does not do.
pub(crate) fn demands(table: &Table<'_>, newest: u32) -> Result<BTreeMap<String, Demand>, Unsuitable> {
    let views: Vec<&View> = table.stated().filter(|view| view.version <= newest).collect();
    let mut stated: Vec<Rc<Vec<Stated>>> = Vec::new();
    let mut held: BTreeMap<Stated, BTreeSet<usize>> = BTreeMap::new();
    let mut last: Option<&Arc<Model>> = None;
    for (at, view) in views.iter().enumerate() {
        let model = table.history.model(view.version);
        let own = match (model, stated.last()) {
            (Some(model), Some(known)) if last.is_some_and(|last| Arc::ptr_eq(last, model)) => Rc::clone(known),
            (Some(model), _) => {
                let own = all(table, view, model)?;
                let rival = Rival { table, view, order: table.order(view), stated: &own };
                held.retain(|rule, _| !rival.takes_back(rule));
                Rc::new(own)
            }
            (None, _) => Rc::default(),
        };
        for rule in own.iter() {
            held.entry(rule.clone()).or_default().insert(at);
        }
        last = model;
        stated.push(own);
    }
    let names = names(table, &views, &stated);
    let mut out = BTreeMap::new();
    for (rule, by) in &held {
        for view in by.iter().map(|at| views[*at]).filter(|view| table.view(view.version).is_some()) {
            let turns = match rule.kind {
                Kind::Index | Kind::Unique => turns(view).filter(|turn| *turn <= newest).collect(),
                // The newest version's are enough: what others show follows from it.
                Kind::Reference(_) if views.last().is_some_and(|last| last.version == view.version) => vec![newest],
                Kind::Reference(_) => Vec::new(),
            };
            for demand in turns.into_iter().filter_map(|turn| rule.demand(table, &view.entries_at(turn))) {
                if let Some(name) = names.get(&demand) {
                    out.insert(name.clone(), demand);
                }
            }
        }
    }
    Ok(out)
}

/// Returns the names of the indexes and constraints that there are while a version is the newest, those of conditions excepted.
///
/// # Errors
/// As [`crate::lower`].
pub fn demanded(table: &Table<'_>, newest: u32) -> Result<BTreeSet<String>, Unsuitable> {
    Ok(demands(table, newest)?.into_keys().collect())
}

/// The versions with which a view came to show what it does in the columns that it does.
fn turns(view: &View) -> impl Iterator<Item = u32> + '_ {
    let moved: BTreeSet<u32> = view.moved.iter().map(|moved| moved.until).collect();
    std::iter::once(view.version).chain(moved)
}

/// Names everything that versions ever demanded, in the order in which they did, so that nothing is called otherwise later: `a_b` and `c`
/// read as `a` and `b_c` do.
fn names(table: &Table<'_>, views: &[&View], stated: &[Rc<Vec<Stated>>]) -> BTreeMap<Demand, String> {
    let mut turned: Vec<(u32, usize)> =
        views.iter().enumerate().flat_map(|(at, view)| turns(view).map(move |turn| (turn, at))).collect();
    turned.sort_unstable();
    let mut out = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for (turn, at) in turned {
        let entries = views[at].entries_at(turn);
        for demand in stated[at].iter().filter_map(|rule| rule.demand(table, &entries)) {
            if out.contains_key(&demand) {
                continue;
            }
            let wanted = match &demand {
                Demand::Index { columns, unique: true } => format!("{}_{}_key", table.name, columns.join("_")),
                Demand::Index { columns, unique: false } => format!("{}_{}_idx", table.name, columns.join("_")),
                Demand::Reference { column, .. } => format!("{}_{column}_fkey", table.name),
            };
            let mut names = std::iter::once(fit(&wanted)).chain((2..).map(|number| fit(&format!("{wanted}_{number}"))));
            if let Some(name) = names.find(|name| taken.insert(name.clone())) {
                out.insert(demand, name);
            }
        }
    }
    out
}

/// What a version demands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Stated {
    kind: Kind,
    /// What it is about: properties at the top, as the version calls them.
    properties: Vec<(String, NodeId)>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Index,
    Unique,
    /// To another model.
    Reference(String),
}

impl Stated {
    /// On the columns that entries have; `None` where they show it no more.
    fn demand(&self, table: &Table<'_>, entries: &[(String, usize)]) -> Option<Demand> {
        let column = |(name, _): &(String, NodeId)| {
            let (_, at) = entries.iter().find(|(known, _)| known == name)?;
            Some(table.columns[*at].name.clone())
        };
        let columns: Vec<String> = self.properties.iter().map(column).collect::<Option<_>>()?;
        Some(match &self.kind {
            Kind::Index => Demand::Index { columns, unique: false },
            Kind::Unique => Demand::Index { columns, unique: true },
            Kind::Reference(model) => Demand::Reference { column: columns.into_iter().next()?, model: model.clone() },
        })
    }
}

/// A newer version than one that demands something.
struct Rival<'r, 'h> {
    table: &'r Table<'h>,
    view: &'r View,
    order: Arc<Order>,
    stated: &'r [Stated],
}

impl Rival<'_, '_> {
    /// Whether it takes back what an older one demanded. It does where it shows all that it is about, or what that was made into under
    /// its name, and demands nothing of the kind of it. Where it does not show it all, an index stays; uniqueness does as long as it
    /// refuses nothing that the newer version's clients write, who neither see any of it nor give a value to it.
    fn takes_back(&self, rule: &Stated) -> bool {
        let shown: Vec<Option<&str>> = rule.properties.iter().map(|(name, node)| self.shown(name, *node)).collect();
        let Some(shown) = shown.iter().copied().collect::<Option<Vec<&str>>>() else {
            let unseen = |((_, node), shown): (&(String, NodeId), Option<&str>)| {
                shown.is_none() && self.table.begins_with_nothing(&self.order, *node)
            };
            return match rule.kind {
                Kind::Index => false,
                Kind::Unique => !rule.properties.iter().zip(shown.iter().copied()).all(unseen),
                Kind::Reference(_) => true,
            };
        };
        let is_same = |own: &&Stated| own.properties.iter().map(|(name, _)| name.as_str()).eq(shown.iter().copied());
        !self.stated.iter().filter(is_same).any(|own| match (&rule.kind, &own.kind) {
            (Kind::Reference(_), Kind::Reference(_)) => true,
            (known, own) => known == own,
        })
    }

    /// What it calls a property: the same, or what it was made into under its name.
    fn shown(&self, name: &str, node: NodeId) -> Option<&str> {
        let own = |(name, at): &'_ (String, usize)| Some((name.clone(), node_of(self.table, *at)?));
        let same = self.view.entries.iter().find(|entry| own(entry).is_some_and(|(_, own)| own == node));
        let made = || {
            let entry = self.view.entries.iter().find(|(own, _)| own == name)?;
            let own = node_of(self.table, entry.1)?;
            let (mut from, mut seen) = (vec![node], BTreeSet::new());
            while let Some(node) = from.pop() {
                if node == own {
                    return Some(entry);
                }
                if !seen.insert(node) {
                    continue;
                }
                from.extend(self.order.index[node].into_iter().flat_map(|at| &self.order.hidden[at].deps));
            }
            None
        };
        same.or_else(made).map(|(name, _)| name.as_str())
    }
}

/// The property at the top that a column shows.
fn node_of(table: &Table<'_>, column: usize) -> Option<NodeId> {
    match table.columns[column].held {
        Held::Shown { node, .. } => Some(node),
        Held::Hidden { .. } | Held::Failed { .. } | Held::Unfit { .. } | Held::Id => None,
    }
}

/// Returns all that a version demands, in the order in which it does.
fn all(table: &Table<'_>, view: &View, model: &Model) -> Result<Vec<Stated>, Unsuitable> {
    kept(model)?;
    let stated = |kind: Kind, names: &[&str]| {
        let property = |name: &&str| {
            let (_, at) = view.entries.iter().find(|(known, _)| known == name)?;
            Some(((*name).to_owned(), node_of(table, *at)?))
        };
        Some(Stated { kind, properties: names.iter().map(property).collect::<Option<_>>()? })
    };
    let mut out = Vec::new();
    for (name, property) in model.properties.iter() {
        if property.unique && !is_key(model, name) {
            out.extend(stated(Kind::Unique, &[name]));
        } else if property.index {
            out.extend(stated(Kind::Index, &[name]));
        }
    }
    let names =
        |paths: &[Path]| -> Option<Vec<String>> { paths.iter().map(|path| path.last_name().map(str::to_owned)).collect() };
    for constraint in &model.constraints {
        let (kind, paths) = match &constraint.rule {
            Rule::Index(paths) => (Kind::Index, paths.as_slice()),
            Rule::Unique(paths) => (Kind::Unique, paths.as_slice()),
            Rule::Reference(path, other) => (Kind::Reference(other.clone()), std::slice::from_ref(path)),
            Rule::Check(_) => continue,
        };
        if let Some(names) = names(paths) {
            out.extend(stated(kind, &names.iter().map(String::as_str).collect::<Vec<_>>()));
        }
    }
    Ok(out)
}

/// Refuses what a table does not do: it says so rather than to leave it out.
fn kept(model: &Model) -> Result<(), Unsuitable> {
    for constraint in &model.constraints {
        let (kind, paths) = match &constraint.rule {
            Rule::Index(paths) => ("an index", paths.as_slice()),
            Rule::Unique(paths) => ("uniqueness", paths.as_slice()),
            Rule::Reference(path, _) => ("a reference", std::slice::from_ref(path)),
            Rule::Check(_) => continue,
        };
        if constraint.policy != Policy::Reject {
            return Err(Unsuitable {
                message: format!("`{}` of `{}` says what becomes of records that violate it", constraint.name, model.name),
                help: format!("a table refuses what breaks {kind}: say `policy: reject`"),
            });
        }
        if let Some(path) = paths.iter().find(|path| path.segments().len() != 1) {
            return Err(nested(model, &constraint.name, path, kind));
        }
    }
    for (name, property) in model.properties.iter() {
        if let Some((path, kind)) = inner_facet(&property.ty, &Path::name(name)) {
            return Err(nested(model, kind, &path, if kind == "unique" { "uniqueness" } else { "an index" }));
        }
    }
    Ok(())
}

fn nested(model: &Model, name: &str, path: &Path, kind: &str) -> Unsuitable {
    Unsuitable {
        message: format!("`{name}` of `{}` is about `{path}`, which lies in a column with others", model.name),
        help: format!("a table has {kind} on properties at the top only: move it there, or leave it out"),
    }
}

/// The first property beneath one that is to be unique or indexed.
fn inner_facet(ty: &Type, at: &Path) -> Option<(Path, &'static str)> {
    let facet = |property: &Property, path: Path| match (property.unique, property.index) {
        (true, _) => Some((path, "unique")),
        (false, true) => Some((path, "index")),
        (false, false) => inner_facet(&property.ty, &path),
    };
    match ty {
        Type::Object(properties) => properties.iter().find_map(|(name, property)| facet(property, at.join(name))),
        Type::Array { items, .. } => facet(items, at.child(Segment::Items)),
        Type::Map { values } => facet(values, at.child(Segment::Values)),
        Type::Union { of, .. } => of.iter().find_map(|property| facet(property, at.clone())),
        Type::String
        | Type::Integer
        | Type::Number
        | Type::Float
        | Type::Boolean
        | Type::Decimal { .. }
        | Type::Date
        | Type::Time
        | Type::Datetime
        | Type::Uuid
        | Type::Bytes
        | Type::Json
        | Type::Enum { .. }
        | Type::Ref { .. } => None,
    }
}

fn is_key(model: &Model, name: &str) -> bool {
    model.key.len() == 1 && model.key[0] == name
}
