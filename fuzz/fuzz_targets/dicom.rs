#![no_main]

use covmap_tests::fuzz;

libfuzzer_sys::fuzz_target!(init: fuzz::strict(), |bytes: &[u8]| fuzz::reading::dicom(bytes));
