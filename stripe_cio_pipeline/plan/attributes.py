"""The model's columns as attributes: which there are, and the SQL that writes one as JSON."""

from dataclasses import dataclass

from stripe_cio_pipeline.warehouse import Connection

_AS_THEY_ARE = frozenset(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
                          "UBIGINT", "UHUGEINT", "BOOLEAN"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attribute:
    """One column of `model.people` that is sent: its name and its DuckDB type."""

    name: str
    type: str

    @property
    def column(self) -> str:
        """Its name, quoted for SQL."""
        return '"' + self.name.replace('"', '""') + '"'

    @property
    def json_member(self) -> str:
        """SQL of two values to be concatenated: `,"name":` and the value, both null where there is none.

        Written by type, because packing a struct, turning it into JSON and taking the nulls out takes twice as long.
        The constant apart from the value spares a string in between, which is a third of the time.
        """
        key = "'" + f',"{self.name}":'.replace("'", "''") + "'"
        value = self._value(self.column)
        # An object of nulls alone is none.
        present = value if self._is_nested else self.column
        return f"case when {present} is not null then {key} end, {value}"

    @property
    def _is_nested(self) -> bool:
        known = self.type in _AS_THEY_ARE or self.type.startswith("DECIMAL") or self.type == "VARCHAR"
        return not known and not self.type.endswith("[]")

    def _value(self, column: str) -> str:
        if self.type in _AS_THEY_ARE:
            return column
        if self.type.startswith("DECIMAL"):
            # As JSON writes numbers: 49.0 and not 49.00.
            return f"{column}::double"
        if self.type == "VARCHAR" or self.type.endswith("[]"):
            return f"to_json({column})::varchar"
        # In objects, null removes here as everywhere in Customer.io and in the ledger.
        return f"nullif(json_merge_patch('{{}}', to_json({column}))::varchar, 'null')"


def attributes(connection: Connection) -> list[Attribute]:
    """List the attributes in the model's order. `person_id`, and what begins with `_`, is never sent."""
    rows = connection.execute("describe model.people").fetchall()
    return [Attribute(name, kind) for name, kind, *_ in rows if name != "person_id" and not name.startswith("_")]
