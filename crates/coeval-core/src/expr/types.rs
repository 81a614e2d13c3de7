//! The types of expressions: those of the schema, the type of NULL, intervals and rows.

use std::fmt;

use crate::schema::{Properties, Property, Type};

/// A type and whether NULL may occur.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// What values there are.
    pub ty: ExprType,
    /// Whether there may be none.
    pub nullable: bool,
}

/// What values an expression gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExprType {
    /// Nothing but NULL: the type of the literal `null` and of the items of `[]`.
    Null,
    /// Characters.
    String,
    /// A whole number of 64 bits.
    Integer,
    /// An exact decimal.
    Number,
    /// An exact decimal of a declared size; arithmetic with it gives [`ExprType::Number`].
    Decimal {
        /// How many digits in all.
        precision: u32,
        /// How many of them after the point.
        scale: u32,
    },
    /// A double-precision number.
    Float,
    /// True or false.
    Boolean,
    /// A day.
    Date,
    /// A time of day.
    Time,
    /// A moment.
    Datetime,
    /// A span of months, days and time; exists only while an expression is evaluated.
    Interval,
    /// A UUID.
    Uuid,
    /// Bytes in base 64.
    Bytes,
    /// Any JSON value.
    Json,
    /// One of a list of strings.
    Enum(Vec<String>),
    /// The key of a record of the model.
    Ref(String),
    /// One of several types, told apart when evaluated.
    Union {
        /// The alternatives.
        of: Vec<Property>,
        /// The property that names the alternative.
        tag: Option<String>,
    },
    /// A list.
    List(Box<Typed>),
    /// An object whose keys are data.
    Map(Box<Typed>),
    /// An object with known fields, or a row of a table.
    Object(Vec<(String, Typed)>),
}

impl Typed {
    /// Returns a type with its nullability.
    pub const fn new(ty: ExprType, nullable: bool) -> Self {
        Self { ty, nullable }
    }

    /// Returns what reading the value of a property that is there gives.
    ///
    /// JSON's null and SQL's NULL are one, so that a `json` may always be NULL.
    pub fn of(property: &Property) -> Self {
        Self::new(ExprType::of(&property.ty), property.nullable || property.ty == Type::Json)
    }
}

impl ExprType {
    /// Returns the type of a property's values.
    pub fn of(ty: &Type) -> Self {
        match ty {
            Type::String => Self::String,
            Type::Integer => Self::Integer,
            Type::Number => Self::Number,
            Type::Float => Self::Float,
            Type::Decimal { precision, scale } => Self::Decimal { precision: *precision, scale: *scale },
            Type::Boolean => Self::Boolean,
            Type::Date => Self::Date,
            Type::Time => Self::Time,
            Type::Datetime => Self::Datetime,
            Type::Uuid => Self::Uuid,
            Type::Bytes => Self::Bytes,
            Type::Json => Self::Json,
            Type::Enum { values } => Self::Enum(values.clone()),
            Type::Object(properties) => Self::Object(fields(properties)),
            Type::Array { items, .. } => Self::List(Box::new(Typed::of(items))),
            Type::Map { values } => Self::Map(Box::new(Typed::of(values))),
            Type::Ref { model } => Self::Ref(model.clone()),
            Type::Union { of, tag } => Self::Union { of: of.clone(), tag: tag.clone() },
        }
    }

    /// Returns a list of items that may be NULL or not.
    pub fn list(items: Self, nullable: bool) -> Self {
        Self::List(Box::new(Typed::new(items, nullable)))
    }

    /// Returns a map of values that may be NULL or not.
    pub fn map(values: Self, nullable: bool) -> Self {
        Self::Map(Box::new(Typed::new(values, nullable)))
    }

    /// Returns whether arithmetic computes with it.
    pub const fn is_numeric(&self) -> bool {
        matches!(self, Self::Integer | Self::Number | Self::Decimal { .. } | Self::Float)
    }

    /// Returns whether its values are strings to which string functions apply.
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::String | Self::Enum(_))
    }

    /// Returns whether its values have one obvious text, so that `||` takes them.
    pub const fn is_scalar(&self) -> bool {
        self.is_text()
            || self.is_numeric()
            || matches!(
                self,
                Self::Boolean | Self::Date | Self::Time | Self::Datetime | Self::Uuid | Self::Bytes | Self::Ref(_) | Self::Null
            )
    }

    /// Returns whether its values show their type only when evaluated.
    pub const fn is_dynamic(&self) -> bool {
        matches!(self, Self::Json | Self::Union { .. })
    }

    /// Returns the type that holds the values of both; `None` where there is none but `json`.
    pub fn common(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (a, b) if a == b => a.clone(),
            (Self::Null, other) | (other, Self::Null) => other.clone(),
            (dynamic, other) | (other, dynamic) if dynamic.is_dynamic() && *other != Self::Interval => Self::Json,
            (Self::Float, other) | (other, Self::Float) if other.is_numeric() => Self::Float,
            (a, b) if a.is_numeric() && b.is_numeric() => Self::Number,
            (Self::Enum(a), Self::Enum(b)) => {
                Self::Enum(a.iter().chain(b.iter().filter(|value| !a.contains(value))).cloned().collect())
            }
            (a, b) if a.is_text() && b.is_text() => Self::String,
            (Self::Ref(model), Self::String | Self::Integer) | (Self::String | Self::Integer, Self::Ref(model)) => {
                Self::Ref(model.clone())
            }
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.common(b)?)),
            (Self::Map(a), Self::Map(b)) => Self::Map(Box::new(a.common(b)?)),
            (Self::Object(a), Self::Object(b)) => Self::Object(common_fields(a, b)?),
            _ => return None,
        })
    }

    /// Returns the type with its article, for messages.
    pub fn a(&self) -> String {
        let name = self.to_string();
        let article = if name.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
        if *self == Self::Null { name } else { format!("{article} {name}") }
    }
}

impl Typed {
    fn common(&self, other: &Self) -> Option<Self> {
        Some(Self::new(self.ty.common(&other.ty)?, self.nullable || other.nullable))
    }
}

/// The fields of an object; one that may be absent reads as NULL.
fn fields(properties: &Properties) -> Vec<(String, Typed)> {
    let field = |(name, property): (&str, &Property)| {
        let Typed { ty, nullable } = Typed::of(property);
        (name.to_owned(), Typed::new(ty, nullable || !property.required))
    };
    properties.iter().map(field).collect()
}

/// The fields of either object; one that only one of them has may be NULL.
fn common_fields(a: &[(String, Typed)], b: &[(String, Typed)]) -> Option<Vec<(String, Typed)>> {
    let mut fields = Vec::with_capacity(a.len());
    for (name, field) in a {
        let other = b.iter().find(|(n, _)| n == name);
        let joined = match other {
            Some((_, other)) => field.common(other)?,
            None => Typed::new(field.ty.clone(), true),
        };
        fields.push((name.clone(), joined));
    }
    for (name, field) in b {
        if !a.iter().any(|(n, _)| n == name) {
            fields.push((name.clone(), Typed::new(field.ty.clone(), true)));
        }
    }
    Some(fields)
}

impl fmt::Display for ExprType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Null => "NULL",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Decimal { precision, scale } => return write!(f, "decimal({precision}, {scale})"),
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Time => "time",
            Self::Datetime => "datetime",
            Self::Interval => "interval",
            Self::Uuid => "uuid",
            Self::Bytes => "bytes",
            Self::Json => "json",
            Self::Enum(_) => "enum",
            Self::Ref(model) => return write!(f, "ref to {model}"),
            Self::Union { .. } => "union",
            Self::List(items) => return write!(f, "list of {}", items.ty),
            Self::Map(values) => return write!(f, "map of {}", values.ty),
            Self::Object(_) => "object",
        };
        f.write_str(name)
    }
}
