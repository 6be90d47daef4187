"""What people have besides attributes: devices and relationships to objects."""

from typing import Any

from stripe_cio_pipeline.sandbox.customerio.people import Profile


def add_device(profile: Profile, device: dict[str, Any]) -> None:
    """Add a device or replace the one with its token."""
    profile.devices = [
        *(kept for kept in profile.devices or () if kept["token"] != device["token"]),
        device,
    ]


def delete_device(profile: Profile, token: str) -> None:
    """Remove a device, if it is there."""
    profile.devices = [kept for kept in profile.devices or () if kept["token"] != token] or None


def relate(profile: Profile, relationships: list[dict[str, Any]] | None) -> None:
    """Add relationships, each replacing the one to the same object."""
    for relationship in relationships or ():
        others = [kept for kept in profile.relationships or () if kept["identifiers"] != relationship["identifiers"]]
        profile.relationships = [*others, relationship]


def unrelate(profile: Profile, relationships: list[dict[str, Any]]) -> None:
    """Remove the relationships to these objects."""
    gone = [relationship["identifiers"] for relationship in relationships]
    profile.relationships = [kept for kept in profile.relationships or () if kept["identifiers"] not in gone] or None


class Objects:
    """The workspace's objects (companies and the like) by type and id: their attributes."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    def apply(self, operation: dict[str, Any]) -> None:
        """Apply one operation of type object."""
        identifiers = operation["identifiers"]
        key = identifiers.get("cio_object_id") or f"{identifiers['object_type_id']}/{identifiers['object_id']}"
        if operation["action"] == "delete":
            self.kept.pop(key, None)
        elif operation["action"].startswith("identify"):
            attributes = self.kept.setdefault(key, {})
            for name, value in (operation.get("attributes") or {}).items():
                if value is None or value == "":
                    attributes.pop(name, None)
                else:
                    attributes[name] = value
