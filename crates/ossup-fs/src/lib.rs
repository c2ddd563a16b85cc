//! Local files for ossup: the source and the checkpoint folder.
