"""The devices of people."""

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
