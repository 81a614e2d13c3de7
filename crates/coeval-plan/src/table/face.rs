//! What each version shows at the top, with a signature that tells equal columns from different ones.

use std::fmt::Write as _;

use coeval_core::history::{Entry, History, NodeId, Scope, Shape, Time};
use coeval_core::schema::{Property, Type};

use super::Unsuitable;

/// What a version shows.
#[derive(Debug)]
pub(super) struct Face<'h> {
    /// The version.
    pub(super) version: u32,
    /// Its moment.
    pub(super) time: Time,
    /// The model's name.
    pub(super) model: &'h str,
    /// The names of the key.
    pub(super) key: &'h [String],
    /// The properties at the top, in order.
    pub(super) entries: Vec<FaceEntry<'h>>,
}

/// A property at the top.
#[derive(Debug)]
pub(super) struct FaceEntry<'h> {
    /// Its name.
    pub(super) name: &'h str,
    /// Its node.
    pub(super) node: NodeId,
    /// The nodes that lie in it, itself first.
    pub(super) nodes: Vec<NodeId>,
    /// The same for two versions exactly if they show the same of it.
    pub(super) signature: String,
    /// Its type and facets.
    pub(super) property: &'h Property,
}

/// Returns whether values of a type are stored as JSON, where absent and null can be told apart.
pub fn is_json(ty: &Type) -> bool {
    match ty {
        Type::Json | Type::Object(_) | Type::Array { .. } | Type::Map { .. } | Type::Union { .. } => true,
        Type::String
        | Type::Integer
        | Type::Number
        | Type::Float
        | Type::Decimal { .. }
        | Type::Boolean
        | Type::Date
        | Type::Time
        | Type::Datetime
        | Type::Uuid
        | Type::Bytes
        | Type::Enum { .. }
        | Type::Ref { .. } => false,
    }
}

/// Returns what each version shows.
pub(super) fn faces<'h>(history: &'h History, versions: &[u32]) -> Result<Vec<Face<'h>>, Unsuitable> {
    let face = |version: &u32| {
        let (time, model) = (history.moment(*version)?, history.model(*version)?);
        Some((*version, time, model))
    };
    versions
        .iter()
        .filter_map(face)
        .map(|(version, time, model)| {
            let order = history.scope().order(time);
            let mut entries = Vec::new();
            for entry in &order.shape.entries {
                let Some((name, property)) = model.properties.iter().find(|(name, _)| *name == entry.name.as_str()) else {
                    continue;
                };
                if !property.required && property.nullable && !is_json(&property.ty) {
                    return Err(Unsuitable {
                        message: format!(
                            "`{}.{name}` may be absent and may be null, which a column cannot tell apart (version {version})",
                            model.name
                        ),
                        help: "make it required and nullable, or optional and not nullable, or keep it in a `json` property"
                            .to_owned(),
                    });
                }
                let mut nodes = Vec::new();
                gather(entry, &mut nodes);
                let signature = signature(history.scope(), entry, time);
                entries.push(FaceEntry { name, node: entry.node, nodes, signature, property });
            }
            Ok(Face { version, time, model: &model.name, key: &model.key, entries })
        })
        .collect()
}

/// Returns what tells the shapes that versions give the elements of a list or map from one another; `None` where no operation
/// lies beneath it.
pub fn elements_signature(scope: &Scope, node: NodeId, t: Time) -> Option<String> {
    let elements = scope.nodes[node].elements.as_deref()?;
    Some(signature_of(elements, &elements.order(t).shape, t))
}

fn gather(entry: &Entry, nodes: &mut Vec<NodeId>) {
    nodes.push(entry.node);
    for inner in entry.shape.iter().flat_map(|shape| &shape.entries) {
        gather(inner, nodes);
    }
}

fn signature(scope: &Scope, entry: &Entry, t: Time) -> String {
    let mut out = entry.node.to_string();
    if let Some(shape) = &entry.shape {
        out.push_str(&signature_of(scope, shape, t));
        if matches!(&scope.nodes[entry.node].property(t).ty, Type::Object(properties) if !properties.additional) {
            // What is not declared lies in a column that only versions share which admit it.
            out.push('!');
        }
    }
    if let Some(elements) = &scope.nodes[entry.node].elements {
        let order = elements.order(t);
        out.push_str(&signature_of(elements, &order.shape, t));
    }
    out
}

fn signature_of(scope: &Scope, shape: &Shape, t: Time) -> String {
    let mut out = String::from("{");
    for entry in &shape.entries {
        // Writing to a string cannot fail.
        let _ = write!(out, "{:?}:{},", entry.name.as_str(), signature(scope, entry, t));
    }
    out.push('}');
    out
}
