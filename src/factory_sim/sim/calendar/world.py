"""Access of compiled code to the tables of a run: `w.unit[i].held` is a load from a bare address.

All tables are reached through one address, that of a header with the address and length of each. Measured for each
part visit: nine arrays passed at every call took 2.5 µs, a reference-counted structure 0.5 µs, a bare address 0.34 µs.
Fields are named by the structured dtypes of tables.py. With FACTORY_SIM_CHECKED=1 every index is checked.
"""

from __future__ import annotations

import operator
import os
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.imputils import lower_builtin, lower_getattr_generic, lower_setattr_generic
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_global, signature
from numba.extending import infer_getattr, intrinsic, register_model

from factory_sim.clock import NEVER_US
from factory_sim.sim.calendar.tables import BLOCK, CONSTANT_LISTS, LISTS, TABLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factory_sim.records import I8

CHECKED = os.environ.get("FACTORY_SIM_CHECKED", "") not in {"", "0"}  # part of the cache's name (jit.py)
NAMES = (*TABLES, *LISTS)
_WORD, _BYTE = ir.IntType(64), ir.IntType(8)
_ADDRESS = _BYTE.as_pointer()
_FAULT = 2 * len(NAMES)  # where the header keeps the table, index and length of an invalid access
_NUMBA = {"i": types.int64, "u": types.int64, "f": types.float64}


class World(types.Type):  # type: ignore[misc]
    """Numba's type of all tables of a run."""

    def __init__(self) -> None:
        super().__init__(name="World")


class TableOf(types.Type):  # type: ignore[misc]
    """Numba's type of a table or list of the world."""

    def __init__(self, name: str) -> None:
        self.table = name
        super().__init__(name=f"TableOf({name})")


class Row(types.Type):  # type: ignore[misc]
    """Numba's type of one row of a table."""

    def __init__(self, table: str) -> None:
        self.table = table
        super().__init__(name=f"Row({table})")


class Column(types.Type):  # type: ignore[misc]
    """Numba's type of a field that holds several numbers."""

    def __init__(self, table: str, field: str) -> None:
        self.table, self.field = table, field
        super().__init__(name=f"Column({table}, {field})")


@register_model(World)
@register_model(TableOf)
@register_model(Row)
@register_model(Column)
class _AddressModel(models.PrimitiveModel):  # type: ignore[misc]
    """An address; rows and columns of the checked build carry the header's beside it."""

    def __init__(self, manager: Any, fe_type: Any) -> None:
        pair = CHECKED and isinstance(fe_type, Row | Column)
        super().__init__(manager, fe_type, ir.LiteralStructType([_ADDRESS, _ADDRESS]) if pair else _ADDRESS)


_WORLD = World()


@intrinsic
def world_at(_context, _address):
    """Return the world behind the address of a header."""
    return _WORLD(types.int64), lambda _c, builder, _s, arguments: builder.inttoptr(arguments[0], _ADDRESS)


@intrinsic
def _highest_bit(_context, _bits):
    """Return the number of the highest set bit; `bits` is not 0."""

    def generate(_context, builder, _signature, arguments):
        zeros = builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 1))
        return builder.sub(ir.Constant(_WORD, 63), zeros)

    return types.int64(types.int64), generate


def _chosen(comparison: str) -> Any:
    @intrinsic
    def choose(_context, _a, _b):  # one instruction, and nothing shared with other users of Numba
        def generate(_context, builder, _signature, arguments):
            return builder.select(builder.icmp_signed(comparison, *arguments), *arguments)

        return types.int64(types.int64, types.int64), generate

    return choose


highest_bit: Any = _highest_bit  # called with the bits alone
least, most = _chosen("<"), _chosen(">")


# ---- fields and items


def _column(table: str, field: str) -> tuple[np.dtype[Any], int, int]:
    """Return the dtype of a field's numbers, its offset and its length, 0 for a single number."""
    dtype, offset = TABLES[table].dtype.fields[field][:2]  # type: ignore[index]
    return dtype.base, offset, dtype.shape[0] if dtype.shape else 0


@infer_getattr
class _TablesOfWorld(AttributeTemplate):  # type: ignore[misc]
    key = World

    def generic_resolve(self, _world: Any, name: str) -> Any:
        return (Row(name) if name == "line" else TableOf(name)) if name in NAMES else None


@infer_getattr
class _FieldsOfRow(AttributeTemplate):  # type: ignore[misc]
    key = Row

    def generic_resolve(self, row: Any, name: str) -> Any:
        if name not in (TABLES[row.table].dtype.names or ()):
            return None
        dtype, _, length = _column(row.table, name)
        return Column(row.table, name) if length else _number(dtype)


def _number(dtype: np.dtype[Any]) -> Any:
    return types.uint64 if dtype == np.uint64 else _NUMBA[dtype.kind]


@infer_global(len)
class _Length(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, _kws: Any) -> Any:
        return signature(types.int64, *args) if isinstance(args[0], TableOf) else None


def _item(args: Any) -> Any:
    """Return the type of `args[0][args[1]]`, None if it is not one of ours."""
    of, index = args[:2]
    if not isinstance(index, types.Integer):
        return None
    if isinstance(of, Column):
        return _number(_column(of.table, of.field)[0])
    if isinstance(of, TableOf):
        return _NUMBA[np.dtype(LISTS[of.table]).kind] if of.table in LISTS else Row(of.table)
    return None


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, _kws: Any) -> Any:
        item = _item(args)
        return None if item is None else signature(item, *args)


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, _kws: Any) -> Any:
        item = _item(args)
        return None if item is None or isinstance(item, Row) else signature(types.none, *args[:2], item)


# ---- code


def _header_word(builder, head, at):
    """Load a word of the header, which never changes while compiled code runs."""
    word = builder.load(builder.bitcast(builder.gep(head, [ir.Constant(_WORD, 8 * at)]), _WORD.as_pointer()))
    word.set_metadata("invariant.load", builder.module.add_metadata([]))
    return word


def _base(builder, head, table):
    return builder.inttoptr(_header_word(builder, head, 2 * NAMES.index(table)), _ADDRESS)


def _paired(builder, address, head):
    if not CHECKED:
        return address
    pair = ir.Constant(ir.LiteralStructType([_ADDRESS, _ADDRESS]), ir.Undefined)
    return builder.insert_value(builder.insert_value(pair, address, 0), head, 1)


def _apart(builder, value):
    return (builder.extract_value(value, 0), builder.extract_value(value, 1)) if CHECKED else (value, value)


@lower_getattr_generic(World)
def _table_of_world(_context, builder, _world, head, name):
    return _paired(builder, _base(builder, head, name), head) if name == "line" else head


def _access(builder, tag, dtype, address, value=None, *, constant=False):
    """Load a number, or store `value`; `tag` names the field."""
    wide, bits = ir.DoubleType() if dtype.kind == "f" else _WORD, 8 * dtype.itemsize
    own = wide if bits == 64 else ir.IntType(bits)
    address = builder.bitcast(address, own.as_pointer())
    if value is None:
        access = result = builder.load(address)
        if own is not wide:
            result = (builder.zext if dtype.kind == "u" else builder.sext)(access, wide)
    else:
        access = result = builder.store(value if own is wide else builder.trunc(value, own), address)
    if constant:
        access.set_metadata("invariant.load", builder.module.add_metadata([]))
    else:
        _overlaps_only(builder, access, tag)
    return result


def _overlaps_only(builder, access, tag):
    """Let the optimiser assume that a load or store overlaps only those with the same tag."""
    kind = builder.module.add_metadata([tag, builder.module.add_metadata(["world"])])
    access.set_metadata("tbaa", builder.module.add_metadata([kind, kind, ir.Constant(_WORD, 0)]))


def _is_constant(table: str, field: str) -> bool:
    return field in TABLES[table].constant


@lower_getattr_generic(Row)
def _get_field(_context, builder, row, value, name):
    dtype, offset, length = _column(row.table, name)
    address, head = _apart(builder, value)
    address = builder.gep(address, [ir.Constant(_WORD, offset)])
    if length:
        return _paired(builder, address, head)
    constant = _is_constant(row.table, name)
    return _access(builder, f"{row.table}.{name}", dtype, address, constant=constant)


@lower_setattr_generic(Row)
def _set_field(_context, builder, sig, args, name):
    dtype, offset, _ = _column(sig.args[0].table, name)
    address = builder.gep(_apart(builder, args[0])[0], [ir.Constant(_WORD, offset)])
    _access(builder, f"{sig.args[0].table}.{name}", dtype, address, args[1])


@lower_builtin(len, TableOf)
def _length(_context, builder, sig, args):
    return _header_word(builder, args[0], 2 * NAMES.index(sig.args[0].table) + 1)


def _at(context, builder, sig, args):
    """Return what an index leads to: address, header, tag, dtype, and whether it is constant."""
    of = sig.args[0]
    index = context.cast(builder, args[1], sig.args[1], types.int64)
    if isinstance(of, TableOf):
        dtype = np.dtype(LISTS[of.table]) if of.table in LISTS else TABLES[of.table].dtype
        address, head = _base(builder, args[0], of.table), args[0]
        tag, constant = of.table, of.table in CONSTANT_LISTS
    else:
        dtype, _, length = _column(of.table, of.field)
        address, head = _apart(builder, args[0])
        tag, constant = f"{of.table}.{of.field}", _is_constant(of.table, of.field)
    if CHECKED:
        place = NAMES.index(of.table)
        limit = _header_word(builder, head, 2 * place + 1) if isinstance(of, TableOf) else ir.Constant(_WORD, length)
        with builder.if_then(builder.icmp_unsigned(">=", index, limit), likely=False):
            for i, word in enumerate((ir.Constant(_WORD, place), index, limit)):
                fault = builder.gep(head, [ir.Constant(_WORD, 8 * (_FAULT + i))])
                builder.store(word, builder.bitcast(fault, _WORD.as_pointer()))
            context.call_conv.return_user_exc(builder, IndexError, (f"index outside of {tag}",))
    address = builder.gep(address, [builder.mul(index, ir.Constant(_WORD, dtype.itemsize))])
    return address, head, tag, dtype, constant


@lower_builtin(operator.getitem, TableOf, types.Integer)
@lower_builtin(operator.getitem, Column, types.Integer)
def _get_item(context, builder, sig, args):
    address, head, tag, dtype, constant = _at(context, builder, sig, args)
    if isinstance(sig.return_type, Row):
        return _paired(builder, address, head)
    return _access(builder, tag, dtype, address, constant=constant)


@lower_builtin(operator.setitem, TableOf, types.Integer, types.Any)
@lower_builtin(operator.setitem, Column, types.Integer, types.Any)
def _set_item(context, builder, sig, args):
    address, _, tag, dtype, _ = _at(context, builder, sig, args)
    _access(builder, tag, dtype, address, args[2])
    return context.get_dummy_value()


@intrinsic
def least_but(_context, numbers, _block, _left_out):
    """Return the smallest of the BLOCK numbers of a block of a list, without those equal to `left_out`."""

    def generate(context, builder, signature, arguments):
        last = builder.add(builder.mul(arguments[1], ir.Constant(_WORD, BLOCK)), ir.Constant(_WORD, BLOCK - 1))
        item = signature.replace(args=(numbers, types.int64))
        address, _, tag, _, _ = _at(context, builder, item, (arguments[0], last))
        vector, lane = ir.VectorType(_WORD, BLOCK), ir.IntType(32)
        first = builder.gep(address, [ir.Constant(_WORD, -8 * (BLOCK - 1))])
        found = builder.load(builder.bitcast(first, vector.as_pointer()), align=8)
        _overlaps_only(builder, found, tag)
        spread = ir.Constant(ir.VectorType(lane, BLOCK), [0] * BLOCK)

        def everywhere(number):
            one = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(lane, 0))
            return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), spread)

        equal = builder.icmp_signed("==", found, everywhere(arguments[2]))
        rest = builder.select(equal, everywhere(ir.Constant(_WORD, NEVER_US)), found)
        name = f"llvm.vector.reduce.smin.v{BLOCK}i64"
        minimum = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_WORD, [vector]), name)
        return builder.call(minimum, [rest])

    return types.int64(numbers, types.int64, types.int64), generate


def header(arrays: dict[str, NDArray[Any]]) -> I8:
    """Return addresses and lengths of a world's arrays; valid while they are held."""
    words = [number for name in NAMES for number in (arrays[name].ctypes.data, len(arrays[name]))]
    return np.array([*words, -1, 0, 0], np.int64)


def fault(head: I8, error: IndexError) -> IndexError:
    """Return the error of an invalid access with table, index and length; checked build only."""
    table, index, length = head[_FAULT:].tolist()
    return IndexError(f"{error} (table {NAMES[table]}): index {index}, length {length}") if table >= 0 else error
