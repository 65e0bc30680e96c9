//! Ending analyses from another thread.

use crate::options::Options;
use crate::pointer;
use crate::status::{Status, free, guard, guard_status};

/// Ends analyses from any thread.
#[derive(Debug, Default)]
pub struct CancelToken(covmap_core::CancelToken);

/// A token that nobody has cancelled. NULL only where covmap_last_error has a text.
#[unsafe(no_mangle)]
pub extern "C" fn covmap_cancel_token_new() -> *mut CancelToken {
    guard(|| Ok(Box::into_raw(Box::default()))).unwrap_or(std::ptr::null_mut())
}

/// Analyses with these options end with COVMAP_STATUS_CANCELLED soon after covmap_cancel_token_cancel; files of a batch that
/// were not done by then as well. The token may be freed before the options, and set in several.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_options_set_cancel_token(options: *mut Options, token: *const CancelToken) -> Status {
    guard_status(|| {
        // SAFETY: the header asks for options of covmap_options_new and a token of covmap_cancel_token_new.
        let (options, token) = unsafe { (pointer::exclusive(options, "options")?, pointer::shared(token, "token")?) };
        options.cancel_by(token.0.clone());
        Ok(())
    })
}

/// Ends every analysis with this token, running ones and later ones. Any thread may call it, at any time before the token is
/// freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_cancel_token_cancel(token: *const CancelToken) -> Status {
    guard_status(|| {
        // SAFETY: the header asks for a token of covmap_cancel_token_new.
        unsafe { pointer::shared(token, "token")? }.0.cancel();
        Ok(())
    })
}

/// Frees a token; NULL is allowed. Analyses that have it go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_cancel_token_free(token: *mut CancelToken) {
    // SAFETY: the header asks for a token of covmap_cancel_token_new that nobody uses any more.
    unsafe { free(token) }
}
