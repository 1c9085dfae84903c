// SPDX-License-Identifier: Apache-2.0
//! A loss in Rust: the pinball loss of a quantile, max(q d, (q - 1) d) for the distance d
//! from prediction to target. One file, no crate but core. Built with
//!
//!     rustc --edition 2021 --crate-type cdylib -C panic=abort -C opt-level=2 tilted.rs
//!
//! The structs are those of abi.h, host.h, build.h and loss.h; their first members
//! suffice, as a struct may be longer on the other side.
#![no_std]

use core::ffi::c_void;
use core::mem::size_of;
use core::ptr::null;

// ------------------------------------------------------------------- abi.h, loss.h

const OK: i32 = 0;
const NEEDED_MAJOR: u32 = 0;
const NEEDED_MINOR: u32 = 9;

type Value = u32;

#[repr(C)]
struct Entry {
    struct_size: u32,
    abi_major: u32,
    abi_needed_minor: u32,
    component_count: u32,
    components: *const &'static Component,
    numerics: Option<extern "C" fn() -> u32>,
}

#[repr(C)]
struct Component {
    struct_size: u32,
    reserved: u32,
    text: *const u8,
    iface: &'static Loss,
    extension: Option<extern "C" fn(*const u8) -> *const c_void>,
}

#[repr(C)]
struct Loss {
    struct_size: u32,
    flags: u32,
    create: Option<extern "C" fn(*mut Host, *mut *mut c_void, *mut c_void) -> i32>,
    destroy: Option<extern "C" fn(*mut c_void)>,
    describe: extern "C" fn(*mut Build) -> i32,
}

// They point to static data that nobody changes.
unsafe impl Sync for Entry {}
unsafe impl Sync for Component {}

// ------------------------------------------------------------------- host.h, build.h

#[repr(C)]
struct HostApi {
    struct_size: u32,
    reserved: u32,
    get_bool: extern "C" fn(*mut Host, *const u8, *mut i32) -> i32,
    get_int: extern "C" fn(*mut Host, *const u8, *mut i64) -> i32,
    get_float: extern "C" fn(*mut Host, *const u8, *mut f64) -> i32,
}

#[repr(C)]
struct Host {
    api: *const HostApi,
}

#[repr(C)]
struct BuildApi {
    struct_size: u32,
    reserved: u32,
    op: extern "C" fn(
        *mut Build,
        *const u8,
        u32,
        *const Value,
        u32,
        *const c_void,
        u32,
        u32,
        *mut Value,
    ) -> i32,
    input: extern "C" fn(*mut Build, *const u8) -> Value,
    output: extern "C" fn(*mut Build, *const u8, Value),
    live: extern "C" fn(*mut Build, *const u8) -> Value,
    constant: extern "C" fn(*mut Build, u32, u32, *const i64, *const c_void) -> Value,
}

#[repr(C)]
struct Build {
    api: *const BuildApi,
    host: *mut Host,
    this: *mut c_void,
}

const F32: u32 = 2 | 32 << 8;
const ATTR_SIZE: u32 = 40; // of struct rn_attr

/// What a description is written with. Errors stick in the host: nothing is checked here.
struct Graph(*mut Build);

impl Graph {
    fn api(&self) -> &BuildApi {
        unsafe { &*(*self.0).api }
    }
    fn float(&self, option: &[u8]) -> f64 {
        let mut value = 0.0;
        unsafe {
            let host = (*self.0).host;
            ((*(*host).api).get_float)(host, text(option), &mut value);
        }
        value
    }
    fn input(&self, port: &[u8]) -> Value {
        (self.api().input)(self.0, text(port))
    }
    fn output(&self, port: &[u8], value: Value) {
        (self.api().output)(self.0, text(port), value)
    }
    fn constant(&self, x: f32) -> Value {
        let data = &x as *const f32 as *const c_void;
        (self.api().constant)(self.0, F32, 0, null(), data)
    }
    fn op(&self, name: &[u8], operands: &[Value]) -> Value {
        let (mut out, n) = (0, operands.len() as u32);
        let at = operands.as_ptr();
        (self.api().op)(self.0, text(name), n, at, 0, null(), ATTR_SIZE, 1, &mut out);
        out
    }
}

/// A byte string that ends with NUL.
fn text(s: &[u8]) -> *const u8 {
    s.as_ptr()
}

// ------------------------------------------------------------------------- the loss

extern "C" fn describe(b: *mut Build) -> i32 {
    let g = Graph(b);
    let q = g.float(b"quantile\0") as f32;
    let target = g.input(b"target\0");
    let distance = g.op(b"sub\0", &[target, g.input(b"prediction\0")]);
    let above = g.op(b"mul\0", &[distance, g.constant(q)]);
    let below = g.op(b"mul\0", &[distance, g.constant(q - 1.0)]);
    g.output(b"loss\0", g.op(b"maximum\0", &[above, below]));
    OK
}

const DESCRIPTION: &[u8] = b"abi: 0 9\n\
component: loss acme.rust/pinball 1\n\
doc: Pinball loss of a quantile\n\
in: prediction float [N,...]\n\
in: target float [N,...]\n\
out: loss float [N,...] ; scope element\n\
option: quantile float = 0.5 ; above 0 ; below 1 | which one\n\0";

// The host reads the description from this section of the file, without loading it.
#[used]
#[link_section = ".rn_desc"]
static TEXT: [u8; DESCRIPTION.len()] = bytes(DESCRIPTION);

const fn bytes<const N: usize>(from: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let mut i = 0;
    while i < N {
        out[i] = from[i];
        i += 1;
    }
    out
}

static LOSS: Loss = Loss {
    struct_size: size_of::<Loss>() as u32,
    flags: 0,
    create: None,
    destroy: None,
    describe,
};

static PINBALL: Component = Component {
    struct_size: size_of::<Component>() as u32,
    reserved: 0,
    text: TEXT.as_ptr(),
    iface: &LOSS,
    extension: None,
};

static ALL: [&Component; 1] = [&PINBALL];

static ENTRY: Entry = Entry {
    struct_size: size_of::<Entry>() as u32,
    abi_major: NEEDED_MAJOR,
    abi_needed_minor: NEEDED_MINOR,
    component_count: 1,
    components: ALL.as_ptr(),
    numerics: None,
};

#[no_mangle]
pub extern "C" fn runner_plugin_entry() -> *const c_void {
    &ENTRY as *const Entry as *const c_void
}

/// Nothing here panics; a library without std has to say what would happen.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
