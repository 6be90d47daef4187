"""The environment of one pipeline among several in a project: the same variables, with a prefix of its own."""

import os
from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from stripe_cio_pipeline.settings import READ_AS, Settings, load_settings, unusable

_HOME = "STRIPE_CIO_HOME"


class _OnlyGiven(Settings):
    """Settings that look nowhere themselves. A variable without the prefix belongs to another pipeline."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def read_environment(
    prefix: str = "", environment: Mapping[str, str] = os.environ, given: Mapping[str, str] | None = None
) -> Settings:
    """Read the variables that begin with `prefix`. Raises SettingsError that names the variable and never its value.

    Keys and addresses without the prefix belong to another pipeline. The home is the machine's, so that a volume there
    keeps every warehouse: STRIPE_CIO_HOME counts where there is none with the prefix.
    `given` are values that count instead, by field.
    """
    values = {READ_AS[name]: value for name, value in (given or {}).items()}
    if not prefix:
        return load_settings(values)
    found = {_HOME: environment[_HOME]} if environment.get(_HOME) else {}
    for variable in READ_AS.values():
        if value := environment.get(prefix + variable.upper()):
            found[variable] = value
    found |= values
    try:
        return _OnlyGiven.model_validate(found)
    except ValidationError as invalid:
        raise unusable(invalid, "Correct it where Dagster is started, or in .env.", prefix) from None
