"""From a labelmap to what people read: volumes, flags, pictures, the browser.

Takes volumes and labelmaps and gives reports and pictures; may not change a label.
"""
