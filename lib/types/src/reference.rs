//! Image references: `[domain/]path[:tag][@digest]`, in Docker's grammar and familiar form.
