//! JSON documents in S3, GCS, Azure and directories, over [`coeval_store::objects::Objects`].

mod directory;
pub mod documents;

pub use directory::Directory;
