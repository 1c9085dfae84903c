/* SPDX-License-Identifier: Apache-2.0 */
/* Linked with HDF5, never run: hdf5_soname.py reads there what the library is called.
 */
#include <hdf5.h>

int main(void) {
    return H5open() < 0;
}
