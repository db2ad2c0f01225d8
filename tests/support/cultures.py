"""The shipped cultures of delegates, each with the country that grounds it by default."""

from culturepark.catalog.cultures import delegates

GROUNDS: dict[str, str] = {key: culture.countries[0] for key, culture in delegates().items()}
