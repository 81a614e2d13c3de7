//! Places: properties move, objects begin around them or end and leave them (rule N7).

use super::edit::Moment;
use super::scope::{Lineage, NodeId, Place, Presence, Scope, Time};
use crate::path::{Path, Segment};
use crate::schema::{Properties, Property, Type};

impl Scope {
    /// Gives a property another name or place.
    pub(super) fn relocate(&mut self, from: &Path, to: &Path, now: Moment) -> Option<()> {
        let t = now.time;
        let node = self.find(from.segments(), t)?;
        if from.parent() == to.parent() {
            let parent = self.nodes[node].place(t).parent;
            self.nodes[node].places.push((t, Place { name: to.last_name()?.to_owned(), parent }));
            return Some(());
        }
        self.leave(node, &from.parent()?, now);
        self.enter(node, to, now)
    }

    /// Begins an object around properties.
    pub(super) fn enclose(&mut self, path: &Path, property: &Property, children: &[(Path, String)], now: Moment) -> Option<()> {
        let t = now.time;
        let (parent, name) = self.parent_of(path, t)?;
        let moved: Vec<(NodeId, &Path, &String)> =
            children.iter().map(|(from, name)| Some((self.find(from.segments(), t)?, from, name))).collect::<Option<_>>()?;
        for (node, from, _) in &moved {
            self.leave(*node, &from.parent()?, now);
        }
        let object = self.begin(parent, &name, property, path, now);
        for (node, _, name) in moved {
            self.put_in(node, Some(object), name, t);
        }
        Some(())
    }

    /// Ends an object; all that is in it moves out.
    pub(super) fn dissolve(&mut self, path: &Path, children: &[(String, Path)], now: Moment) -> Option<()> {
        let t = now.time;
        let object = self.find(path.segments(), t)?;
        let lineage = self.nodes[object].lineage?;
        let inside = self.children(Some(object), t).to_vec();
        if inside.len() != children.len() {
            return None;
        }
        let moved = children.iter().map(|(name, to)| {
            let node = inside.iter().copied().find(|node| self.nodes[*node].place(t).name == *name);
            Some((node?, to))
        });
        let moved: Vec<(NodeId, &Path)> = moved.collect::<Option<_>>()?;
        self.nodes[object].end = t;
        self.lineages[lineage].down = Presence::Kids;
        let place = self.nodes[object].place(t).parent;
        self.arrange(place, t, |children| children.retain(|child| *child != object));
        for (node, to) in moved {
            self.enter(node, to, now)?;
        }
        Some(())
    }

    /// Takes a property out of the object that it lies in.
    fn leave(&mut self, node: NodeId, path: &Path, now: Moment) {
        let parent = self.nodes[node].place(now.time).parent;
        self.arrange(parent, now.time, |children| children.retain(|child| *child != node));
        self.renew(parent, path, now);
    }

    /// Puts a property into the object that a path lies in, or at the top.
    fn enter(&mut self, node: NodeId, to: &Path, now: Moment) -> Option<()> {
        let place = self.vacancy(to, node, now)?;
        let parent = self.renew(place.parent, &to.parent()?, now);
        self.put_in(node, parent, &place.name, now.time);
        Some(())
    }

    fn put_in(&mut self, node: NodeId, parent: Option<NodeId>, name: &str, t: Time) {
        self.nodes[node].places.push((t, Place { name: name.to_owned(), parent }));
        self.arrange(parent, t, |children| children.push(node));
    }

    /// Begins a new epoch of an object whose properties change, where its presence says something: what it means that the
    /// object is there depends on what lies in it.
    fn renew(&mut self, object: Option<NodeId>, path: &Path, now: Moment) -> Option<NodeId> {
        let object = object?;
        let node = &self.nodes[object];
        let property = Property::clone(node.property(now.time));
        if node.born == now.time || property.is_fixed_object() || node.lineage.is_none() {
            return Some(object);
        }
        Some(self.epoch(object, &property, path, now))
    }

    /// Begins a new node of an object's lineage, with all that lies in the object, and returns it.
    pub(super) fn epoch(&mut self, object: NodeId, property: &Property, path: &Path, now: Moment) -> NodeId {
        let t = now.time;
        let place = self.nodes[object].place(t).clone();
        let children = self.children(Some(object), t).to_vec();
        let lineage = self.nodes[object].lineage;
        let epoch = self.add_node(place.parent, &place.name, property, t, now.key(path)(""), lineage);
        self.nodes[object].end = t;
        self.arrange(place.parent, t, |siblings| {
            for sibling in siblings.iter_mut().filter(|sibling| **sibling == object) {
                *sibling = epoch;
            }
        });
        for child in &children {
            let name = self.nodes[*child].place(t).name.clone();
            self.nodes[*child].places.push((t, Place { name, parent: Some(epoch) }));
        }
        self.arrange(Some(epoch), t, |all| *all = children);
        epoch
    }

    /// Begins an object without properties, which is there where one of those that move into it is.
    fn begin(&mut self, parent: Option<NodeId>, name: &str, property: &Property, path: &Path, now: Moment) -> NodeId {
        self.lineages.push(Lineage { up: Presence::Kids, down: Presence::Recipe });
        let lineage = Some(self.lineages.len() - 1);
        let node = self.add_node(parent, name, property, now.time, now.key(path)(""), lineage);
        self.arrange(parent, now.time, |children| children.push(node));
        node
    }

    /// Returns the place that a path names, making the objects that are missing on the way, required and always there.
    fn vacancy(&mut self, to: &Path, moved: NodeId, now: Moment) -> Option<Place> {
        let t = now.time;
        let mut parent = if self.element { Some(*self.children(None, t).first()?) } else { None };
        let names = to.segments().split_last()?.1;
        for (i, segment) in names.iter().enumerate() {
            let Segment::Name(name) = segment else { return None };
            let here = self.children(parent, t).iter().copied().find(|n| *n != moved && self.nodes[*n].place(t).name == *name);
            parent = Some(if let Some(node) = here {
                node
            } else {
                let mut properties = Properties::new();
                properties.additional = self.is_open(parent, t);
                let property = Property::new(Type::Object(properties)).required();
                self.begin(parent, name, &property, &Path::from(names[..=i].to_vec()), now)
            });
        }
        Some(Place { name: to.last_name()?.to_owned(), parent })
    }

    /// Whether an object admits properties that are not declared; what is made in it inherits that.
    fn is_open(&self, node: Option<NodeId>, t: Time) -> bool {
        let Some(node) = node else { return self.admits_undeclared(t) };
        match &self.nodes[node].property(t).ty {
            Type::Object(properties) => properties.additional,
            _ => true,
        }
    }
}
