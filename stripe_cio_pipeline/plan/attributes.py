"""The model's columns as attributes: which there are, and the SQL that writes one as JSON."""

from dataclasses import dataclass

from stripe_cio_pipeline.model.kinds import is_whole, kind_of
from stripe_cio_pipeline.warehouse import Connection


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
        present = value if self._is_object else self.column
        return f"case when {present} is not null then {key} end, {value}"

    @property
    def _is_object(self) -> bool:
        return self.type == "JSON" or kind_of(self.type).id in {"struct", "map"}

    def _value(self, column: str) -> str:
        kind = kind_of(self.type).id
        if self._is_object:
            # In objects, null removes here as everywhere in Customer.io and in the ledger.
            return f"nullif(json_merge_patch('{{}}', to_json({column}))::varchar, 'null')"
        if kind == "decimal":
            # As JSON writes numbers: 49.0 and not 49.00.
            return f"{column}::double"
        if kind == "boolean" or is_whole(self.type):
            return column
        return f"to_json({column})::varchar"


def attributes(connection: Connection) -> list[Attribute]:
    """List the attributes in the model's order. `person_id`, and what begins with `_`, is never sent."""
    rows = connection.execute("describe model.people").fetchall()
    return [Attribute(name, kind) for name, kind, *_ in rows if name != "person_id" and not name.startswith("_")]
