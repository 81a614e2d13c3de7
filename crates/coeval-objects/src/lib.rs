//! JSON documents in S3, GCS, Azure and directories, over [`coeval_store::objects::Objects`].

mod cloud;
mod directory;
pub mod documents;
mod open;
mod options;

pub use directory::Directory;
pub use open::open;
pub use options::environment;
