"""Model cards: one source of truth for the Hub's README and for MODEL_CARDS.md."""

from lipzoo_catalogue.cards.card import hub_card, is_untouched, model_cards, plain_card

__all__ = ["hub_card", "is_untouched", "model_cards", "plain_card"]
