"""What comes later: a mask that was edited or comes from elsewhere is measured, dates are compared.

Takes CTs, labelmaps and reports and gives reports and tables; may not segment.
"""
