//! What the library has to say beside its results.

use std::ffi::{CString, c_char, c_void};
use std::sync::{Once, RwLock};

use covmap_core::Error;
use log::{LevelFilter, Log, Metadata, Record};

use crate::pointer;
use crate::status::{Status, guard_status};

/// Receives a message and its level: "error", "warn", "info", "debug" or "trace". Both texts are valid during the call, which
/// comes from any thread, from several at once, and must not call covmap_set_log.
pub type LogCallback = Option<unsafe extern "C" fn(user: *mut c_void, level: *const c_char, message: *const c_char)>;

struct Sink {
    callback: unsafe extern "C" fn(user: *mut c_void, level: *const c_char, message: *const c_char),
    user: *mut c_void,
}

// SAFETY: the header says that the callback is called from any thread.
unsafe impl Send for Sink {}
// SAFETY: as above, and from several at once.
unsafe impl Sync for Sink {}

static SINK: RwLock<Option<Sink>> = RwLock::new(None);

struct ToSink;

impl Log for ToSink {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        let Ok(sink) = SINK.read() else { return };
        let Some(sink) = sink.as_ref() else { return };
        let level = match record.level() {
            log::Level::Error => c"error",
            log::Level::Warn => c"warn",
            log::Level::Info => c"info",
            log::Level::Debug => c"debug",
            log::Level::Trace => c"trace",
        };
        let message = CString::new(record.args().to_string().replace('\0', " ")).unwrap_or_default();
        // SAFETY: two strings that live for the call; the rest is the caller's promise.
        unsafe { (sink.callback)(sink.user, level.as_ptr(), message.as_ptr()) }
    }

    fn flush(&self) {}
}

/// Sends messages up to level ("error", "warn", "info", "debug", "trace") of the whole process to callback, and user with
/// each. NULL for callback ends that: no call of the one before runs or comes after this returns. Nothing is sent by default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_set_log(callback: LogCallback, user: *mut c_void, level: *const c_char) -> Status {
    guard_status(|| {
        let poisoned = || Error::Internal("a log callback broke off".into());
        let Some(callback) = callback else {
            log::set_max_level(LevelFilter::Off);
            *SINK.write().map_err(|_| poisoned())? = None;
            return Ok(());
        };
        // SAFETY: the header asks for a string.
        let level = pointer::utf8(unsafe { pointer::c_str(level, "level") }?, "level")?;
        let Some(filter) = level.parse::<log::Level>().ok() else {
            return Err(Error::Parameter(format!("unknown level {level:?}; known: error, warn, info, debug, trace")));
        };
        *SINK.write().map_err(|_| poisoned())? = Some(Sink { callback, user });
        static ONCE: Once = Once::new();
        // Somebody else's logger in a Rust program stays.
        ONCE.call_once(|| drop(log::set_logger(&ToSink)));
        log::set_max_level(filter.to_level_filter());
        Ok(())
    })
}
